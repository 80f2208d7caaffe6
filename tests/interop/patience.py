"""Waiting for a condition, for the tests of this folder and of netns.

What cannot be asked yet (a socket not there, a process not up) is not yet so; after the deadline the last
error is shown as the cause.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

from tulle.errors import TulleError

PATIENCE_S = 60
_NOT_YET = (AssertionError, OSError, TulleError, subprocess.SubprocessError)


def eventually(condition: Callable[[], Any], what: str | Callable[[], str], step_s: float = 0.02) -> Any:
    """The first true value of a condition; fails with `what` when none comes within a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        cause: BaseException | None = None
        value = None
        try:
            value = condition()
        except _NOT_YET as error:
            cause = error
        if value:
            return value
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"waited in vain for: {said}; last {value!r}") from cause
        time.sleep(step_s)
