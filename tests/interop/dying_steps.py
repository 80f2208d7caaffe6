"""For processes that kill themselves with signal 9 at the Nth step after a file appears; each step is told in it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ARMED = Path(sys.argv[1])
at = 0
count = 0


def step(name: str) -> bool:
    """One step; True when it is the one to die at, which the caller does."""
    global count
    if not ARMED.exists():
        return False
    count += 1
    with ARMED.open("a") as told:
        told.write(f"{name}\n")
    return count == at


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(name: str) -> None:
    if step(name):
        die()


def around(owner: Any, name: str) -> None:
    """Die before or after a function."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        die_at(f"before {name}")
        result = original(*args, **named)
        die_at(f"after {name}")
        return result

    setattr(owner, name, wrapped)


def around_awaited(owner: Any, name: str, is_counted: Callable[[], bool] = lambda: True) -> None:
    """Die before or after what a coroutine function does, where that counts."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def wrapped(*args: Any, **named: Any) -> Any:
        if is_counted():
            die_at(f"before {name}")
        result = await original(*args, **named)
        if is_counted():
            die_at(f"after {name}")
        return result

    setattr(owner, name, wrapped)


def live_and_die(run: Callable[[], int | None]) -> None:
    """For each number in a line of standard input, a fork that dies at that step; see `mortal_process`."""
    global at
    for line in sys.stdin:
        at = int(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            os._exit(run() or 0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
