"""A Raft cluster of Debian's ovsdb-server on a loopback address of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tulle.lab.cluster import StoreCluster

LIMIT_S = 60.0
STEP_S = 0.02


class ClusterProcesses:
    """The servers of a cluster; as a context they run, and are killed at the end."""

    def __init__(self, directory: Path, size: int = 3) -> None:
        number = os.getpid()
        address = f"127.66.{number >> 8 & 255}.{number & 255 or 1}"
        self.cluster = StoreCluster(directory, address, size)
        self.remotes = self.cluster.remotes
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> ClusterProcesses:
        self.cluster.create()
        for index in self.cluster.indexes:
            self.start(index)
        for database in ("Tulle", "Tulle_State"):
            wait_until(lambda database=database: self.joined(database), self.logs)
        return self

    def __exit__(self, *_error: object) -> None:
        for index in list(self._processes):
            self.kill(index)

    def start(self, index: int) -> None:
        """Start a server, with the files that it has."""
        log = self.cluster.server_directory(index) / "log"
        with log.open("ab") as output:
            self._processes[index] = subprocess.Popen(
                self.cluster.command(index), stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def kill(self, index: int) -> None:
        """Kill -9."""
        process = self._processes.pop(index)
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)

    def leader(self, database: str) -> int:
        """The server that leads for a database, once there is one."""
        found: list[int] = []

        def look() -> bool:
            running = list(self._processes)
            found[:] = [index for index in running if "Role: leader" in self._status(index, database)]
            return bool(found)

        wait_until(look, self.logs)
        return found[0]

    def logs(self) -> str:
        """The last lines of every server's log."""
        files = [self.cluster.server_directory(index) / "log" for index in self.cluster.indexes]
        return "\n".join("\n".join([str(file), *file.read_text().splitlines()[-10:]]) for file in files)

    def joined(self, database: str) -> bool:
        """Whether every server is in the cluster and knows its leader."""
        states = [self._status(index, database) for index in self.cluster.indexes]
        return all("Status: cluster member" in one and "Leader: unknown" not in one for one in states)

    def _status(self, index: int, database: str) -> str:
        control = self.cluster.server_directory(index) / "ctl"
        done = subprocess.run(
            ["ovs-appctl", "-t", str(control), "cluster/status", database],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return done.stdout


def wait_until(condition: Callable[[], bool], state: Callable[[], str]) -> None:
    """Return when the condition holds; fails with the state when it does not in time."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, state()
        time.sleep(STEP_S)
