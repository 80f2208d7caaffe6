"""Every scenario file says what happens; `pytest tests/scenarios --rewrite` writes it down anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_lab import MemoryLab
from minutes import document_of, read_scenario, write_scenario
from scenario_commands import Commands

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.txt"))


def minutes_of(text: str, name: str) -> str:
    """The file as the product would have it."""
    scenario = read_scenario(text)
    lab = MemoryLab(document_of(scenario, name))
    return write_scenario(scenario, Commands(lab).run)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_what_happens_is_what_the_scenario_says(file: Path, request: pytest.FixtureRequest) -> None:
    written = file.read_text()
    happened = minutes_of(written, file.name)
    if request.config.getoption("--rewrite", default=False):
        file.write_text(happened)
    else:
        assert happened.splitlines() == written.splitlines()


def test_a_wrong_line_in_a_scenario_is_noticed() -> None:
    text = (HERE / "same_node.txt").read_text()
    wrong = text.replace("=> port red/", "=> port blue/", 1)
    assert wrong != text
    assert minutes_of(wrong, "same_node.txt") == minutes_of(text, "same_node.txt") != wrong
