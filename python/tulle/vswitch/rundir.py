"""The names under which tools for Open vSwitch look for a running switch: a locked pid file and a control socket.

`ovs-appctl` reads `ovs-vswitchd.pid`, wants it locked by that process (fcntl(2)), and connects to
`ovs-vswitchd.PID.ctl` beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tulle.errors import Conflict

PID_FILE = "ovs-vswitchd.pid"
PATIENCE_S = 3.0
"""For a process that is just ending, as after its supervisor was killed."""


@contextlib.contextmanager
def announced(directory: Path, control: Path) -> Iterator[None]:
    """Be found by the tools meanwhile; raises `Conflict` if another process is."""
    path = directory / PID_FILE
    socket = directory / f"ovs-vswitchd.{os.getpid()}.ctl"
    with path.open("a+") as file:
        _lock(file, directory)
        for stale in directory.glob("ovs-vswitchd.*.ctl"):
            stale.unlink(missing_ok=True)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        socket.symlink_to(control.name)
        try:
            yield
        finally:
            socket.unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _lock(file: IO[str], directory: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise Conflict(f"another switch process runs in {directory}") from error
            time.sleep(0.01)
        else:
            return
