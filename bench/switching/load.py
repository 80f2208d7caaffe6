"""The programs that make load: built once, run in the namespace of the hosts, their answer read as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from switching.spaces import command, inside

ROOT = Path(__file__).parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAMS = ("load", "connections", "crafted")
BUILD_S = 900


def build() -> None:
    """Build the programs from the sources beside us."""
    examples = [word for program in PROGRAMS for word in ("--example", program)]
    cargo("build", "--release", "-p", "tulle-io", *examples)


def cargo(verb: str, *words: str) -> str:
    """Run cargo on the sources beside us."""
    return command("cargo", verb, "--quiet", f"--manifest-path={ROOT}/Cargo.toml", *words, timeout_s=BUILD_S)


def line(space: str, program: str, *words: object, cpu: int | None = None) -> list[str]:
    """The command line of a program in a namespace."""
    return inside(space, str(TARGET / "release" / "examples" / program), *map(str, words), cpu=cpu)


def run(space: str, program: str, *words: object, cpu: int | None = None) -> dict[str, Any]:
    """Run a program to its end; what it tells."""
    told: dict[str, Any] = json.loads(command(*line(space, program, *words, cpu=cpu)))
    return told


@contextmanager
def running(space: str, program: str, *words: object, cpu: int | None = None) -> Iterator[None]:
    """Run a program beside what is measured, and end it with that; it must not have failed by itself."""
    words_of_process = line(space, program, *words, cpu=cpu)
    process = subprocess.Popen(
        words_of_process, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    try:
        yield
        if process.poll() not in (None, 0):
            raise RuntimeError(f"{program} failed: {process.communicate()[0]}")
    finally:
        process.kill()
        process.communicate()
