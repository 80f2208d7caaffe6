"""The import contracts of `.importlinter` hold, and they would notice if they did not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root / "python")}
    command = [sys.executable, "-c", LINT, "--config", str(root / ".importlinter"), "--no-cache"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_the_import_contracts_hold() -> None:
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("logical/view.py", "import tulle.control.plan"),
        ("control/plan.py", "import tulle.encap.registry"),
        ("encap/registry.py", "import tulle.logical.match"),
        ("control/tunnels.py", "import tulle.ovsdb"),
        ("logical/compile.py", "import time"),
        ("values/flow.py", "import tulle.errors"),
    ],
)
def test_a_forbidden_import_is_noticed(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(
        ROOT / "python", tmp_path / "python", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    culprit = tmp_path / "python" / "tulle" / module
    culprit.write_text(f"{culprit.read_text()}\n{line}\n")
    result = _lint(tmp_path)
    assert result.returncode != 0, f"{line} in {module} passed:\n{result.stdout}"
    assert "BROKEN" in result.stdout, result.stdout + result.stderr
