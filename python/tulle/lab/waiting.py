"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

from tulle.errors import Unavailable


def wait_until(condition: Callable[[], bool], *, what: str, limit_s: float, step_s: float = 0.05) -> None:
    """Returns as soon as the condition holds; Unavailable when it does not within the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise Unavailable(f"waited {limit_s:g} s in vain for {what}")
        time.sleep(step_s)
