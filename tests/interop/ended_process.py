"""Processes of tests, ended for certain."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any


def finish(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    """End a process by a signal, or by SIGKILL if that does not help; wait for it."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def wait_for(condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """The first true value of a condition."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"still {value!r}"
        time.sleep(0.02)
    return value
