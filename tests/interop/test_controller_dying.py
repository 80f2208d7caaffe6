"""Operations on networks, with the controller killed at each of its steps: old or new, never between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from controller_process import LIMIT_S, answers
from dying_operations import OPERATIONS, Present, check_history, check_numbers, check_whole, prepare, present
from ended_process import wait_for
from mortal_process import NEVER, MortalProcess

from tulle.api import Client, connect

STEPS_MAX = 40
SAMPLE = [("create", "within a write"), ("rollback", "after sync"), ("rename", "before json_answer")]


class MortalController:
    """Controllers in one directory; see `MortalProcess`."""

    def __init__(self, directory: Path, armed: Path) -> None:
        self.directory = directory
        self._process = MortalProcess("dying_controller.py", armed, [str(directory)])
        self.change, self.end, self.close = self._process.change, self._process.end, self._process.close

    def start(self, at: int) -> Client:
        """The next one, when it answers."""
        api = self.directory / "api.sock"
        self._process.start(at)
        wait_for(lambda: answers(api), LIMIT_S)
        return connect(api)


class Trial:
    """The same deployment again and again, and what one operation makes of it."""

    def __init__(self, mortal: MortalController) -> None:
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
    with closing(MortalController(directory / "controller", directory / "armed")) as mortal:
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
