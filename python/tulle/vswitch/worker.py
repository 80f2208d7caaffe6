"""A forwarding process as its supervisor sees it, and how it is forked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable

import structlog

from tulle.errors import TulleError
from tulle.vswitch.kept import LEAVING, Kept, KeptDevice

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
MOST_DESCRIPTORS = 1024
_logger = structlog.get_logger(__name__)
Work = Callable[[Kept], int]


class Worker:
    """`is_leaving` once it has said that it ends for good; `is_open` while it may say something."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.started = time.monotonic()
        self.is_leaving = False
        self.is_open = True

    @property
    def age_s(self) -> float:
        """How long it has been there."""
        return time.monotonic() - self.started

    def tell(self, word: str) -> None:
        """Say how far the change is, as far as it is there."""
        with contextlib.suppress(OSError):
            self.channel.send(word.encode())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def ended(self) -> int | None:
        """The exit code once it has ended, and only once: it is no more afterwards."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


def fork(
    work: Work, devices: dict[str, KeptDevice], heard: Iterable[str], close: Callable[[], None]
) -> Worker:
    """Start a process that does `work`, after it has closed what is the supervisor's by `close`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        close()
        _become(work, Kept(_closed_first(theirs), devices, heard))
    theirs.close()
    return Worker(pid, ours)


def _become(work: Work, kept: Kept) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        code = work(kept)
    except TulleError as error:
        print(f"tulle: {error}", file=sys.stderr)
    except BaseException:
        _logger.exception("the forwarding process failed")
    finally:
        kept.say(LEAVING)  # how it ends says whether another one follows
        os._exit(code)


def _closed_first(channel: socket.socket) -> socket.socket:
    """The same under a high number: of a process that dies, Linux closes these descriptors first.

    So the supervisor hears of the death before the devices' sockets are closed, which may take 0.1 s.
    """
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], MOST_DESCRIPTORS)
    try:
        number = fcntl.fcntl(channel, fcntl.F_DUPFD_CLOEXEC, most - 1)
    except OSError:
        return channel
    channel.close()
    return socket.socket(fileno=number)
