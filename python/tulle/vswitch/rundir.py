"""The names under which tools for Open vSwitch look for a running switch: a locked pid file and a control socket.

`ovs-appctl` reads `ovs-vswitchd.pid`, wants it locked by that process (fcntl(2)), and connects to
`ovs-vswitchd.PID.ctl` beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tulle.errors import Conflict

PID_FILE = "ovs-vswitchd.pid"


@contextlib.contextmanager
def announced(directory: Path, control: Path) -> Iterator[None]:
    """Be found by the tools meanwhile; raises `Conflict` if another process is."""
    path = directory / PID_FILE
    socket = directory / f"ovs-vswitchd.{os.getpid()}.ctl"
    with path.open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict(f"another switch process runs in {directory}") from error
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
