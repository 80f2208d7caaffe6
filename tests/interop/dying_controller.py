"""Controllers that kill themselves with signal 9: `dying_controller.py ARMED DIRECTORY`.

For each number N in a line of standard input, one is started, and dies at the Nth step after the file ARMED appears.
Steps are where a crash may leave something half done: around and within each write to a database's file, around
each sync, around the reaction, and before the answer.  Each step is told in ARMED, one line each.
Its number is told when it has been started, and `ended` when it has ended.  All are forks of this process, which has
loaded everything once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tulle.controller import process, reaction
from tulle.ovsdb import storage

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


def die_at(name: str) -> None:
    if step(name):
        os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str) -> None:
    """Die before or after a function."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        die_at(f"before {name}")
        result = original(*args, **named)
        die_at(f"after {name}")
        return result

    setattr(owner, name, wrapped)


def torn_write() -> None:
    """Die in the middle of a record."""
    original = storage.write_all

    def write_all(fd: int, data: bytes) -> None:
        if step("within a write"):
            os.write(fd, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        original(fd, data)

    storage.write_all = write_all


torn_write()
around(storage.Storage, "append")
around(storage.Storage, "sync")
around(reaction, "react")
for module in [one for name, one in sys.modules.items() if name.startswith("tulle.controller.http_")]:
    for answer in {"json_answer"} & vars(module).keys():
        around(module, answer)
for line in sys.stdin:
    at = int(line)
    pid = os.fork()
    if pid == 0:
        os._exit(process.main(process.Options(Path(sys.argv[2]))))
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("ended", flush=True)
