"""Processes of a lab: started detached, remembered by number and start time, ended without mistake.

A process number alone may have been given to somebody else since; with the start time it is certain.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tulle.errors import Unavailable

OWNER = "TULLE_LAB"


class Process(msgspec.Struct, frozen=True):
    """A started process: `role` says what it is in the lab, as in `node1/agent`."""

    role: str
    pid: int
    started_ticks: int
    log: str


def start(role: str, command: Sequence[str], *, namespace: str, log: Path, owner: str) -> Process:
    """Starts a command in a network namespace, detached from the terminal, its output appended to `log`.

    The process bears its `owner` in its environment, so that `owned` finds it whatever is on record.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{namespace}", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, OWNER: owner},
        )
    ticks = started_ticks(child.pid)
    if ticks is None:
        raise Unavailable(f"{role} ended at once; see {log}")
    return Process(role=role, pid=child.pid, started_ticks=ticks, log=str(log))


def owned(owner: str) -> list[Process]:
    """The processes that bear this owner, also those that nobody came to put on record."""
    mark = f"{OWNER}={owner}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            ticks = started_ticks(int(path.parent.name))
            if ticks is not None and mark in path.read_bytes().split(b"\0"):
                found.append(Process(role="", pid=int(path.parent.name), started_ticks=ticks, log=""))
    return found


def started_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where it is gone or a zombie (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(process: Process) -> bool:
    """True while the very process that was started still runs."""
    return started_ticks(process.pid) == process.started_ticks


def stop(processes: Iterable[Process], *, grace_s: float = 10.0) -> None:
    """Ends processes: asks first, insists after the grace time, returns when all are gone."""
    remaining = [process for process in processes if alive(process)]
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for process in remaining:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal_number)
        remaining = _wait_gone(remaining, grace_s)
    if remaining:
        raise Unavailable(f"could not end {', '.join(process.role for process in remaining)}")


def _wait_gone(processes: list[Process], limit_s: float) -> list[Process]:
    deadline = time.monotonic() + limit_s
    while processes and time.monotonic() < deadline:
        for process in processes:
            _reap(process.pid)
        processes = [process for process in processes if alive(process)]
        time.sleep(0.01)
    return processes


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
