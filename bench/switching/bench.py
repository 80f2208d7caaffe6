"""What a row is given: how much to do, where to put files, whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Size:
    """How much each row does: `seconds` of load a run, `flows` in the rows that load flows."""

    runs: int
    load_runs: int
    seconds: float
    flows: int
    is_quick: bool = False


FULL = Size(runs=5, load_runs=5, seconds=2.0, flows=100_000)
QUICK = Size(runs=1, load_runs=1, seconds=0.8, flows=10_000, is_quick=True)


@dataclass(frozen=True)
class Bench:
    """One row's place: a directory of its own, and a voice."""

    size: Size
    directory: Path
    tell: Callable[[str], None]
