"""How long forwarding pauses when the switch process is restarted and keeps its flows."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyroute2 import netns

from switching.bench import Bench
from switching.figures import Figure, Line, NotYet
from switching.site import Site, site
from switching.switches import Ours

TITLE = "pause of forwarding, 1 kHz probe"
LINES = {
    "restart": Line("restart_pause_ms", f"{TITLE}: restart", "ms", "lower", 50.0, is_ratio=False),
    "crash": Line("crash_pause_ms", f"{TITLE}: kill -9", "ms", "lower", is_ratio=False),
}
INTERVAL_S = 0.001
BEFORE_S, AFTER_S, PATIENCE_S = 0.5, 1.0, 10
# Longer gaps without a restart: the machine cannot be measured on.
MOST_NOISE_S = 0.02
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("@ll")
ETH_P_ALL = 3
FRAME = (
    bytes.fromhex("020000000002 020000000001 0800")
    + bytes.fromhex("4500 0032 0000 4000 4011 0000 0a010000 0a020001")
    + bytes.fromhex("0400 0009 001e 0000")
).ljust(64, b"\0")


def measure(bench: Bench) -> list[Figure]:
    """The longest time without a packet around a restart and around a crash, ours only."""
    figures = {how: Figure(line) for how, line in LINES.items()}
    with site(Ours, bench.directory) as place:
        switch = place.switch
        assert isinstance(switch, Ours)
        switch.replace_flows("in_port=1,actions=output:2")
        place.wait_for_packets()
        for run in range(bench.size.runs):
            for how, end in (("restart", switch.restart), ("crash", switch.crash)):
                bench.tell(f"{how} {run + 1}")
                figures[how].add("ours", _pause_s(place, end) * 1000)
    return list(figures.values())


def _pause_s(place: Site, end: Callable[[], None]) -> float:
    with Probe(place.hosts) as probe:
        time.sleep(BEFORE_S)
        noise = longest_gap(probe.arrivals)
        if noise > MOST_NOISE_S:
            raise RuntimeError(f"packets stay away for {noise * 1000:.0f} ms even without a restart")
        end()
        _wait_for_more(place, probe)
        time.sleep(AFTER_S)
        return longest_gap(probe.arrivals)


def _wait_for_more(place: Site, probe: Probe) -> None:
    seen, end = len(probe.arrivals), time.monotonic() + PATIENCE_S
    while len(probe.arrivals) < seen + 10:
        if time.monotonic() > end:
            flows = place.switch.ofctl("dump-flows")
            raise NotYet(f"no packet passes after a restart; flows: {flows[:500]}")
        time.sleep(0.01)


def longest_gap(arrivals: list[float]) -> float:
    """The longest time between two arrivals, in seconds."""
    if len(arrivals) < 2:
        raise RuntimeError("the probe does not arrive")
    return max(after - before for before, after in itertools.pairwise(arrivals))


class Probe:
    """Sends a packet a millisecond into port 1 and notes when, by the kernel's clock, it comes out of port 2."""

    def __init__(self, space: str) -> None:
        self.arrivals: list[float] = []
        with _entered(space):
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._out.bind(("h1", 0))
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._in.bind(("h2", ETH_P_ALL))
        self._in.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._in.settimeout(0.1)
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]

    def __enter__(self) -> Probe:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._out.close()
        self._in.close()

    def _send(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            self._out.send(FRAME)
            due += INTERVAL_S
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        while not self._ending.is_set():
            try:
                frame, extra, _, _ = self._in.recvmsg(128, 64)
            except TimeoutError:
                continue
            if frame[: len(FRAME)] == FRAME:
                seconds, nanoseconds = TIMESPEC.unpack(extra[0][2])
                self.arrivals.append(seconds + nanoseconds / 1e9)


@contextmanager
def _entered(space: str) -> Iterator[None]:
    netns.pushns(space)
    try:
        yield
    finally:
        netns.popns()
