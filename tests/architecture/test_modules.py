"""Every module of the package can be imported, each as the first one of a process; `__main__` modules run."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST = """
import importlib, pkgutil, sys
import tulle
names = [one.name for one in pkgutil.walk_packages(tulle.__path__, "tulle.")]
names = [name for name in names if not name.endswith(".__main__")]
assert len(names) > 50, names
failed = []
for name in names:
    for loaded in [one for one in sys.modules if one.startswith("tulle.") and one != "tulle._native"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print("\\n".join(failed))
"""


@pytest.mark.timeout(600)  # 20 s of processor time
def test_every_module_can_be_the_first_one_imported() -> None:
    made = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=False)
    assert (made.returncode, made.stdout.strip()) == (0, ""), made.stdout + made.stderr
