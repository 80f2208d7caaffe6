"""Scenario files: a network, then commands, each with what came of it.

A file begins with the YAML of a lab file, or with `file: examples/….yaml`.  A line `> command` follows
its comment lines (`#`) and comes before its indented minutes.  `--rewrite` changes minutes, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import yaml

from tulle.logical import parse_file
from tulle.values import LabFile

ROOT = Path(__file__).resolve().parents[2]
INDENT = "  "


@dataclass(frozen=True)
class Scenario:
    """What a file holds; `lines` are all that come after the head, minutes left out."""

    head: tuple[str, ...]
    lines: tuple[str, ...]


def read_scenario(text: str) -> Scenario:
    """The scenario without its minutes."""
    every = text.splitlines()
    head = list(takewhile(lambda line: not line.startswith(">"), every))
    while head and head[-1].startswith("#"):
        head.pop()
    kept = tuple(line for line in every[len(head) :] if not line.startswith(INDENT))
    return Scenario(tuple(head), kept)


def document_of(scenario: Scenario, name: str) -> LabFile:
    """The network that a scenario is about."""
    head = "\n".join(scenario.head)
    shown = yaml.safe_load(head)
    if isinstance(shown, dict) and set(shown) == {"file"}:
        return parse_file((ROOT / shown["file"]).read_text(), shown["file"])
    return parse_file(head, name)


def write_scenario(scenario: Scenario, run: Callable[[str], list[str]]) -> str:
    """The file as it should be; `run` gives the minutes of a command."""
    out = [*scenario.head]
    for line in scenario.lines:
        out.append(line)
        if line.startswith("> "):
            out += [f"{INDENT}{one}" for one in run(line[2:])]
    return "\n".join(out) + "\n"
