"""A switch with hosts at its ports: the place where packets are measured.

The hosts' ends of all ports are in one namespace and have no addresses: what loads them speaks raw frames.
The switch has one processor, the load the other, so that neither takes time from the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from switching import load
from switching.spaces import cable, command, namespace
from switching.switches import SWITCHES, Switch

SWITCH_CPU, LOAD_CPU = 0, 1
# Load runs so long before anything is measured ...
LEAD_S = 0.3
# ... and at most so long, should nobody end it.
FLOOD_S = 60
PATIENCE_S = 20


@dataclass
class Site:
    """A running switch; its port n leads to the device `h{n}` in the namespace `hosts`."""

    switch: Switch
    hosts: str

    @contextmanager
    def flood(self, *words: object, port: int = 1, program: str = "load send") -> Iterator[None]:
        """Packets into a port, as many as possible unless told otherwise, while something else is done."""
        name, *verbs = program.split()
        before = self._transmitted(port)
        with load.running(self.hosts, name, *verbs, f"h{port}", "--seconds", FLOOD_S, *words, cpu=LOAD_CPU):
            end = time.monotonic() + PATIENCE_S
            while self._transmitted(port) == before:
                if time.monotonic() > end:
                    raise RuntimeError(f"the load does not start: {program}")
                time.sleep(0.02)
            time.sleep(LEAD_S)
            yield

    def _transmitted(self, port: int) -> int:
        shown = json.loads(command("ip", "-n", self.hosts, "-s", "-j", "link", "show", f"h{port}"))
        return int(shown[0]["stats64"]["tx"]["packets"])

    def count(self, seconds: float, port: int = 2) -> float:
        """Packets a second that come out of a port now."""
        return float(
            load.run(self.hosts, "load", "count", f"h{port}", "--seconds", seconds)["packets_per_second"]
        )

    def rate(self, seconds: float, *words: object) -> tuple[float, float]:
        """Packets a second from port 1 to port 2, and nanoseconds of the switch's processor time for each."""
        with self.flood(*words):
            started, used = time.perf_counter(), self.switch.cpu_ns()
            packets_s = self.count(seconds)
            used = self.switch.cpu_ns() - used
            elapsed = time.perf_counter() - started
        self.switch.process.check()
        # Nothing at all stands for less than one packet.
        packets_s = max(packets_s, 1 / seconds)
        return packets_s, used / elapsed / packets_s

    def wait_for_packets(self) -> None:
        """Until packets pass: a veth that came up a moment ago loses them."""
        end = time.monotonic() + PATIENCE_S
        with self.flood("--rate", 1000):
            while self.count(0.2) == 0:
                self.switch.process.check()
                if time.monotonic() > end:
                    flows = self.switch.ofctl("dump-flows")
                    raise RuntimeError(f"{self.switch.name} forwards nothing; its flows: {flows[:1000]}")


@contextmanager
def site(kind: type[Switch], directory: Path, ports: int = 2) -> Iterator[Site]:
    """A fresh switch with so many ports."""
    with ExitStack() as stack:
        space = stack.enter_context(namespace(kind.name))
        hosts = stack.enter_context(namespace(f"{kind.name}-hosts"))
        for port in range(1, ports + 1):
            cable(space, f"p{port}", hosts, f"h{port}", port)
        switch = kind(directory / kind.name, space, SWITCH_CPU)
        stack.callback(switch.stop)
        switch.start()
        switch.add_ports(*(f"p{port}" for port in range(1, ports + 1)))
        yield Site(switch, hosts)


@contextmanager
def both_sites(directory: Path, ports: int = 2) -> Iterator[list[Site]]:
    """Ours and theirs, side by side; whichever is not measured does nothing."""
    with ExitStack() as stack:
        yield [stack.enter_context(site(kind, directory, ports)) for kind in SWITCHES]


def alternating(sites: list[Site], runs: int) -> Iterator[Site]:
    """Each site once a run, and each first in turn, so that a change of the machine's speed meets both alike."""
    for run in range(runs):
        yield from sites if run % 2 else reversed(sites)
