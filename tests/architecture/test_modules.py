"""Every module of the package can be imported, each as the first one of a process; `__main__` modules run."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A module's package is imported before it, whichever module of it is first: a process for each package, and
# a copy of that process for each module that the package has not imported.  Other people's modules are there before.
FIRST = """
import importlib, os, pkgutil, sys
import tulle

def apart(act):
    sys.stdout.flush()
    if child := os.fork():
        os.waitpid(child, 0)
        return
    act()
    sys.stdout.flush()
    os._exit(0)

def imports(name):
    try:
        importlib.import_module(name)
        return True
    except BaseException as error:
        print(f"{name}: {type(error).__name__}: {error}")

def import_all_of(package):
    if not imports(package):
        return
    for name in names:
        if name.rpartition(".")[0] == package and name not in sys.modules:
            apart(lambda: imports(name))

names = [one.name for one in pkgutil.walk_packages(tulle.__path__, "tulle.")]
names = [name for name in names if not name.endswith(".__main__")]
assert len(names) > 50, names
for name in names:
    imports(name)
for loaded in [one for one in sys.modules if one.startswith("tulle.") and one != "tulle._native"]:
    del sys.modules[loaded]
for package in sorted({name.rpartition(".")[0] for name in names} | {n for n in names if n.count(".") == 1}):
    apart(lambda: import_all_of(package))
print("tried", len(names))
"""


@pytest.mark.timeout(600)  # some seconds of processor time
def test_every_module_can_be_the_first_one_imported() -> None:
    made = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=False)
    assert made.returncode == 0 and made.stdout.startswith("tried "), made.stdout + made.stderr
