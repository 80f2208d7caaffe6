"""Every format over a wire that loses, doubles and reorders, for as long as `SOAK_S` says (default 600 seconds).

What is delivered is byte for byte what was sent; memory stays flat; after the storm nothing is left that would
keep the next frames from being joined.
"""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter, deque
from pathlib import Path
from random import Random

import pytest

from tulle._native import Encapsulator, NativeError, emit_frame

SOAK_S = float(os.environ.get("SOAK_S", "600"))
LOSS, DOUBLED, LATE = 0.05, 0.05, 0.2
TICK_NS, DELAY_NS = 20_000, 2_000_000
QUIET_NS = 60_000_000_000
REMEMBERED = 2_000
GROWTH_BYTES_MAX = 16 << 20
FORMATS = {
    "stt": (64, 60_000),
    "vxlan": (24, 1400),
    "geneve": (24, 1400),
    "gre": (32, 1400),
    "nvgre": (24, 1400),
}
ONE, OTHER = "192.0.2.1", "192.0.2.2"
LOCAL_TYPE = b"\x88\xb5"  # IEEE 802 local experimental: bytes of which nobody makes sense


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Wire:
    """One direction of one format."""

    def __init__(self, name: str, random: Random) -> None:
        self.bits, self.longest = FORMATS[name]
        self.random = random
        self.sender, self.receiver = Encapsulator(name, ONE, OTHER), Encapsulator(name, OTHER, ONE)
        self.now_ns = 1
        self.counts: Counter[str] = Counter()
        self._flying: list[tuple[int, int, bytes]] = []
        self._number = 0
        self._sent: set[tuple[int, bytes]] = set()
        self._order: deque[tuple[int, bytes]] = deque()

    def send(self) -> None:
        """A frame sets out, and what is due arrives."""
        frame, context = self._frame(), self.random.getrandbits(self.bits)
        self._remember((context, frame))
        self.counts["sent"] += 1
        for outer in self.sender.push(frame, context):
            for _ in range(self._copies()):
                late = self.random.randrange(DELAY_NS) if self.random.random() < LATE else 0
                self._number += 1
                heapq.heappush(self._flying, (self.now_ns + late, self._number, outer))
        self.now_ns += TICK_NS
        self.arrive(self.now_ns)

    def arrive(self, until_ns: int) -> None:
        while self._flying and self._flying[0][0] <= until_ns:
            _, _, outer = heapq.heappop(self._flying)
            try:
                found = self.receiver.pop(outer, until_ns)
            except NativeError as error:
                self.counts[f"refused: {error}"] += 1
                continue
            for one in found:
                assert one in self._sent, f"{len(one[1])} bytes came that nobody sent"
                self.counts["delivered"] += 1

    def is_clean(self) -> bool:
        """After a quiet time, everything that is sent arrives."""
        self.arrive(self.now_ns + DELAY_NS)
        self.now_ns += QUIET_NS
        for _ in range(200):
            frame, context = self._frame(), self.random.getrandbits(self.bits)
            found = [
                one
                for outer in self.sender.push(frame, context)
                for one in self.receiver.pop(outer, self.now_ns)
            ]
            if found != [(context, frame)]:
                return False
        return True

    def _copies(self) -> int:
        if self.random.random() < LOSS:
            return 0
        return 2 if self.random.random() < DOUBLED else 1

    def _frame(self) -> bytes:
        if self.random.random() < 0.3:
            ports = f"udp_src={self.random.randrange(1, 65536)},udp_dst={self.random.randrange(1, 65536)}"
            return emit_frame(f"udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,{ports}")
        longest = self.longest if self.random.random() < 0.1 else min(self.longest, 9000)
        return (
            self.random.randbytes(12) + LOCAL_TYPE + self.random.randbytes(self.random.randrange(46, longest))
        )

    def _remember(self, sent: tuple[int, bytes]) -> None:
        self._sent.add(sent)
        self._order.append(sent)
        if len(self._order) > REMEMBERED:
            self._sent.discard(self._order.popleft())


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 120)
def test_every_frame_that_comes_was_sent_and_nothing_is_left_behind() -> None:
    wires = {name: Wire(name, Random(name)) for name in FORMATS}
    start, resident = time.monotonic(), 0
    while (passed := time.monotonic() - start) < SOAK_S:
        for wire in wires.values():
            for _ in range(50):
                wire.send()
        if not resident and passed > SOAK_S / 4:
            resident = resident_bytes()
    grown = resident_bytes() - resident
    for name, wire in wires.items():
        print(name, dict(wire.counts))
        assert wire.counts["delivered"] > wire.counts["sent"] / 3, (name, wire.counts)
        assert wire.is_clean(), name
    print(f"resident memory grew by {grown} bytes after the first quarter")
    assert grown < GROWTH_BYTES_MAX
