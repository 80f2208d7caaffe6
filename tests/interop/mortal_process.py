"""Processes that die at the step that they are told, one after the other; see `dying_steps`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from controller_process import LIMIT_S, environment

from tulle.errors import Unavailable

NEVER = 0
QUIET_S = 0.3
"""After so long without a step, there will be none; if there is one all the same, one step less is tried."""


class MortalProcess:
    """`script` and `words` make the parent, which has loaded everything once, and forks; `before` runs it elsewhere."""

    def __init__(self, script: str, armed: Path, words: Sequence[str], before: Sequence[str] = ()) -> None:
        self.armed = armed
        self._pid = 0
        path = str(Path(__file__).with_name(script))
        self.log = armed.with_suffix(".log")
        with self.log.open("wb") as log:
            self._parent = subprocess.Popen(
                [*before, sys.executable, path, str(armed), *words],
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def close(self) -> None:
        """End it and its parent."""
        self.end()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(LIMIT_S)

    def start(self, at: int) -> None:
        """The next one, to die at this step."""
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(f"{at}\n")
        self._parent.stdin.flush()
        line = self._parent.stdout.readline()
        assert line, self.log.read_text()[-2000:]
        self._pid = int(line)

    @property
    def is_alive(self) -> bool:
        """Whether it has not died yet."""
        stat = Path(f"/proc/{self._pid}/stat")
        with contextlib.suppress(OSError):
            return bool(self._pid) and stat.read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    def end(self) -> None:
        """Kill it, if it has not died, and wait until it is gone."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            assert self._parent.stdout is not None
            assert self._parent.stdout.readline() == "ended\n"
            self._pid = 0

    def change(
        self, change: Callable[[], object], until: Callable[[], object] | None = None
    ) -> tuple[bool, list[str]]:
        """Whether it died before it answered, and the steps until then, or until what follows has been done.

        `until` waits for that, or until nobody is alive to do it.
        """
        self.armed.touch()
        try:
            change()
            died = False
            (until or self.settle)()
        except Unavailable:
            died = True
        steps = self.armed.read_text().splitlines()
        self.armed.unlink()
        return died, steps

    def settle(self) -> None:
        """Wait until it has died, or has nothing more to do."""
        seen, since = -1, time.monotonic()
        while self.is_alive and time.monotonic() < since + QUIET_S:
            if (size := self.armed.stat().st_size) != seen:
                seen, since = size, time.monotonic()
            time.sleep(0.01)
