"""A change of a whole network, with the controller killed at each of its steps: old or new, never between."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from controller_process import EXAMPLE, LIMIT_S, answers, environment
from ended_process import wait_for

from tulle.api import Client, connect
from tulle.errors import Unavailable

TEXT = EXAMPLE.read_text()
OTHER = TEXT.replace("dport=22", "dport=23").replace("name: web2", "name: web9", 1)
STEPS_MAX = 40
DYING = Path(__file__).parent / "dying_controller.py"
Document = dict[str, object]


def present(tulle: Client) -> list[Document]:
    """The names of the networks that there are, and what is in them but for their names."""
    documents = [
        tulle.show_network(one["name"])["network"] for one in tulle.networks() if one["name"] != "blue"
    ]
    return [{**one} for one in documents]


def check_history(tulle: Client) -> None:
    """The last change is what is there now, and everything before can be read."""
    for one in tulle.networks():
        history = tulle.history(one["name"])
        assert history[-1]["generation"] == one["generation"], (history, one)
        assert tulle.diff(one["name"], str(one["generation"])) == []
        assert tulle.export(one["name"], str(history[0]["generation"]))


def roll_over(tulle: Client) -> None:
    """Roll back to the other one of two snapshots."""
    other = "first" if tulle.diff("red", "first") else "second"
    tulle.rollback("red", other)


def rename_over(tulle: Client) -> None:
    """Give the network the other one of two names."""
    names = {one["name"] for one in tulle.networks()}
    old, new = ("red", "crimson") if "red" in names else ("crimson", "red")
    tulle.network(old).rename(new)


class Mortal:
    """Controllers in one directory, one after the other; each dies at the step that it is told."""

    def __init__(self, directory: Path, armed: Path) -> None:
        self.api = directory / "api.sock"
        self.armed = armed
        self._pid = 0
        words = [sys.executable, str(DYING), str(armed), str(directory)]
        log = directory.with_suffix(".log").open("wb")
        self._parent = subprocess.Popen(
            words, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )

    def __enter__(self) -> Mortal:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(LIMIT_S)

    def start(self, at: int) -> Client:
        """The next one, when it answers."""
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(f"{at}\n")
        self._parent.stdin.flush()
        self._pid = int(self._parent.stdout.readline())
        wait_for(lambda: answers(self.api), LIMIT_S)
        return connect(self.api)

    def end(self) -> None:
        """Kill it, if it has not died, and wait until it is gone."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            assert self._parent.stdout is not None
            assert self._parent.stdout.readline() == "ended\n"
            self._pid = 0

    def change(self, change: Callable[[], None]) -> tuple[bool, list[str]]:
        """Whether it died before it answered, and the steps until then."""
        self.armed.touch()
        try:
            change()
            died = False
        except Unavailable:
            died = True
        steps = self.armed.read_text().splitlines()
        self.armed.unlink()
        return died, steps


@pytest.mark.parametrize("change", [roll_over, rename_over])
def test_killed_at_any_step_it_comes_back_with_the_old_or_the_new_network(
    tmp_path: Path, change: Callable[[Client], None]
) -> None:
    outcomes: set[tuple[str, bool]] = set()
    with Mortal(tmp_path / "controller", tmp_path / "armed") as mortal:
        tulle = mortal.start(1)
        prepare(tulle)
        died, at = True, 1
        while died and at < STEPS_MAX:
            old = present(tulle)
            died, steps = mortal.change(lambda tulle=tulle: change(tulle))
            mortal.end()
            at += 1
            tulle = mortal.start(at)
            new = present(tulle)
            check_history(tulle)
            assert len(new) == 1, new
            assert died or new != old, "what was acknowledged is lost"
            outcomes.add((steps[-1], new == old))
    assert not died, steps
    assert {("before append", True), ("within a write", True), ("before json_answer", False)} <= outcomes, (
        outcomes
    )


def prepare(tulle: Client) -> None:
    tulle.apply(OTHER, "two.yaml")
    tulle.snapshot("red", "second")
    tulle.apply(TEXT, "two.yaml")
    tulle.snapshot("red", "first")
