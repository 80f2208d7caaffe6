"""What both sides have in common: a namespace, a directory, processes that go when the benchmark ends."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from switching.spaces import command, inside
from switching.switches import Process

from controlling.deployment import Deployment

START_S = 60
LOAD_S = 300
POLL_S = 0.005


class Site(ABC):
    """One control plane with one node; every change returns when the switch has its flows."""

    name: str

    def __init__(self, directory: Path, space: str) -> None:
        self.directory = directory
        self.space = space
        directory.mkdir(parents=True)
        self._processes: dict[str, Process] = {}

    @abstractmethod
    def start(self) -> None:
        """Start everything, empty."""

    @abstractmethod
    def load(self, deployment: Deployment) -> None:
        """Make the deployment out of nothing."""

    @abstractmethod
    def add_port(self, router: int, switch: int, port: int) -> None:
        """One port more."""

    @abstractmethod
    def delete_port(self, router: int, switch: int, port: int) -> None:
        """One port less."""

    @abstractmethod
    def add_acl(self, router: int, switch: int, number: int) -> None:
        """One ACL more."""

    @abstractmethod
    def delete_switch(self, router: int, switch: int) -> None:
        """A switch less, with all that is on it."""

    @abstractmethod
    def restart_agent(self) -> None:
        """End the agent; return when another one has been started."""

    @property
    @abstractmethod
    def switch_database(self) -> str:
        """The socket of the node's Open_vSwitch database."""

    @property
    @abstractmethod
    def bridge(self) -> str:
        """The integration bridge, for ovs-ofctl."""

    @abstractmethod
    def interface_id(self, deployment: Deployment, port: str) -> str:
        """How an interface names its logical port."""

    def plug(self, deployment: Deployment) -> None:
        """Make the interfaces of the bound ports."""
        words: list[str] = []
        for number, port in enumerate(deployment.bound_ports()):
            device, name = f"w{number}", self.interface_id(deployment, port)
            words += ["--", "add-port", "br-int", device, "--", "set", "Interface", device]
            words += ["type=internal", f"external_ids:iface-id={name}"]
        command("ovs-vsctl", f"--db=unix:{self.switch_database}", "--timeout=60", *words[1:])

    def flows(self) -> int:
        """How many flows the switch has."""
        said = command("ovs-ofctl", "-O", "OpenFlow13", "dump-aggregate", self.bridge)
        return int(said.split("flow_count=")[1].split()[0])

    def memory_mb(self) -> float:
        """Resident memory of all processes; what they share counts once."""
        return sum(_memory_mb(pid) for one in self._processes.values() for pid in (one.pid, *one.children()))

    def stop(self) -> None:
        """End all of it, the last one first."""
        while self._processes:
            self._processes.popitem()[1].stop()

    def tail(self) -> str:
        """The ends of the logs."""
        logs = (log.read_text(errors="replace")[-1500:] for log in self.directory.glob("*.log"))
        return "\n".join(logs)

    def _run(self, name: str, words: list[str], environment: dict[str, str] | None = None) -> None:
        log = self.directory / f"{name}.log"
        self._processes[name] = Process(inside(self.space, *words), log, environment or {})

    def _wait_until(self, condition: Callable[[], bool], what: str, limit_s: float = START_S) -> None:
        end = time.monotonic() + limit_s
        while not condition():
            for process in self._processes.values():
                process.check()
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name}: waited in vain for {what}; logs: {self.tail()}")
            time.sleep(POLL_S)


def _memory_mb(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (OSError, ProcessLookupError):
        return 0.0
    return int(rollup.split("\nPss:")[1].split()[0]) / 1024


def environment() -> dict[str, str]:
    """For our own programs: where the package is."""
    package = str(Path(__file__).parents[2] / "python")
    return {"PYTHONPATH": package, "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
