"""The files of the repository that people write and read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sorted((ROOT / "python" / "tulle").glob("**/*.py"))
RUST = sorted((ROOT / "crates").glob("**/*.rs"))
TESTS = sorted((ROOT / "tests").glob("**/*.py"))
BENCHES = sorted((ROOT / "bench").glob("**/*.py"))
EVERY = [*PYTHON, *RUST, *TESTS, *BENCHES]


def shown(file: Path) -> str:
    """A path the way people say it."""
    return str(file.relative_to(ROOT))


def names_defined(file: Path) -> Iterator[tuple[str, str]]:
    """(kind, name) of the classes, functions and arguments of a Python file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef):
            yield "class", node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield "function", node.name
        elif isinstance(node, ast.arg):
            yield "argument", node.arg


def function_lengths(file: Path) -> Iterator[tuple[str, int]]:
    """Each function of a Python file, and its lines."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            yield node.name, node.end_lineno - node.lineno + 1
