"""Operations on networks, with the controller killed at each of its steps: old or new, never between."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controller_process import LIMIT_S, answers, environment
from dying_operations import OPERATIONS, Present, check_history, check_numbers, check_whole, prepare, present
from ended_process import wait_for

from tulle.api import Client, connect
from tulle.errors import Unavailable

STEPS_MAX = 40
NEVER = 0
QUIET_S = 0.3
"""After so long without a step, there will be none; if there is one all the same, one step less is tried."""
SAMPLE = [("create", "within a write"), ("rollback", "after sync"), ("rename", "before json_answer")]
DYING = Path(__file__).parent / "dying_controller.py"


class Mortal:
    """Controllers in one directory, one after the other; each dies at the step that it is told."""

    def __init__(self, directory: Path, armed: Path) -> None:
        self.directory = directory
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
        """Whether it died before it answered, and the steps until then, or until what follows has been done."""
        self.armed.touch()
        try:
            change()
            died = False
            self._settle()
        except Unavailable:
            died = True
        steps = self.armed.read_text().splitlines()
        self.armed.unlink()
        return died, steps

    def _settle(self) -> None:
        """Wait until it has died, or has nothing more to do."""
        seen, since = -1, time.monotonic()
        while answers(self.api) and time.monotonic() < since + QUIET_S:
            if (size := self.armed.stat().st_size) != seen:
                seen, since = size, time.monotonic()
            time.sleep(0.01)


class Trial:
    """The same deployment again and again, and what one operation makes of it."""

    def __init__(self, mortal: Mortal) -> None:
        self._mortal = mortal
        self._kept = mortal.directory.with_name("kept")
        prepare(mortal.start(NEVER), mortal.directory / "db.sock")
        mortal.end()
        shutil.copytree(mortal.directory, self._kept, ignore=shutil.ignore_patterns("*.sock"))

    def start(self, at: int) -> Client:
        """A controller that has the deployment, and dies at this step."""
        self._mortal.end()
        shutil.rmtree(self._mortal.directory)
        shutil.copytree(self._kept, self._mortal.directory)
        return self._mortal.start(at)

    def outcome(self, name: str) -> tuple[Present, Present, list[str]]:
        """What was, what is when nobody dies, and the steps until then."""
        tulle = self.start(NEVER)
        old = present(tulle)
        died, steps = self._mortal.change(lambda: OPERATIONS[name](tulle))
        assert not died
        return old, present(tulle), steps

    def killed(self, name: str, at: int, old: Present, new: Present) -> tuple[str, bool]:
        """The step at which it died, and whether all is as it was; what is not done can be done again."""
        tulle = self.start(at)
        died, steps = self._mortal.change(lambda: OPERATIONS[name](tulle))
        self._mortal.end()
        tulle = self._mortal.start(NEVER)
        now = present(tulle)
        check_whole(name, now, old, new)
        assert died or now == new, "what was acknowledged is lost"
        check_history(tulle)
        check_numbers(tulle, self._mortal.directory / "db.sock")
        if now == old:
            OPERATIONS[name](tulle)
            assert present(tulle) == new
        return steps[-1], now == old


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    directory = tmp_path_factory.mktemp("dying")
    with Mortal(directory / "controller", directory / "armed") as mortal:
        yield Trial(mortal)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", OPERATIONS)
def test_killed_at_any_step_it_comes_back_with_the_old_or_the_new_network(trial: Trial, name: str) -> None:
    old, new, steps = trial.outcome(name)
    assert old != new and len(steps) < STEPS_MAX, steps
    outcomes = {trial.killed(name, at, old, new) for at in range(1, len(steps) + 1)}
    assert {("before append", True), ("within a write", True)} <= outcomes, outcomes
    assert not all(is_old for _, is_old in outcomes), outcomes


@pytest.mark.parametrize(("name", "step"), SAMPLE)
def test_killed_half_way_it_comes_back_with_the_old_or_the_new_network(
    trial: Trial, name: str, step: str
) -> None:
    old, new, steps = trial.outcome(name)
    died_at, is_old = trial.killed(name, steps.index(step) + 1, old, new)
    assert (died_at, is_old) == (step, name == "create")
