"""Controllers that kill themselves: `dying_controller.py ARMED DIRECTORY`; see `dying_steps`.

Steps are where a crash may leave something half done: around and within each write to a database's file, around
each sync, around the reaction, and before the answer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dying_steps
from dying_steps import around

from tulle.controller import process, reaction
from tulle.ovsdb import storage


def torn_write() -> None:
    """Die in the middle of a record."""
    original = storage.write_all

    def write_all(fd: int, data: bytes) -> None:
        if dying_steps.step("within a write"):
            os.write(fd, data[: len(data) // 2])
            dying_steps.die()
        original(fd, data)

    storage.write_all = write_all


torn_write()
around(storage.Storage, "append")
around(storage.Storage, "sync")
around(reaction, "react")
for module in [one for name, one in sys.modules.items() if name.startswith("tulle.controller.http_")]:
    for answer in {"json_answer"} & vars(module).keys():
        around(module, answer)
dying_steps.live_and_die(lambda: process.main(process.Options(Path(sys.argv[2]))))
