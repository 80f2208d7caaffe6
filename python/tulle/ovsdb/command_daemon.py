"""What makes a process a daemon: leaving the terminal once it serves, and a locked pidfile."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tulle.errors import Conflict, Unavailable


def detach() -> Callable[[], None]:
    """Go on as a child; the parent exits when the child calls what this returns, or with the child's failure.

    Must be called before there are threads or an event loop.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.close(writing)
        _leave(reading, child)
    os.close(reading)
    os.setsid()
    return lambda: _ready(writing)


def _leave(reading: int, child: int) -> None:
    if os.read(reading, 1):
        os._exit(0)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF or 1)


def _ready(writing: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    os.write(writing, b"\0")
    os.close(writing)


class PidFile:
    """A file with our process id, locked as long as we live: `ovs-appctl` believes only a locked one."""

    def __init__(self, path: Path) -> None:
        """Raises `Conflict` if another process holds it, `Unavailable` if it cannot be written."""
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(f"cannot write the pidfile {path}: {error.strerror}") from error
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise Conflict("another process holds this pidfile", where=str(path)) from error
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def remove(self) -> None:
        """Delete it and let go of it."""
        self._path.unlink(missing_ok=True)
        os.close(self._fd)
