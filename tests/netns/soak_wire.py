"""A wire of bad quality between two veth ends: loses, doubles, delays and damages packets of tunnels, by a seed.

soak_wire.py LEFT RIGHT SEED    prints "ready"; a line on standard input is answered with the counts as JSON

The lines are `bad`, `lossy` (nothing is damaged), `good` (everything passes) and `counts`; counts are of
END/FORMAT/WHAT, where END is the one that the packet leaves by.  Super-frames pass whole, with what the
kernel says of them.  Damage is one byte, in what a checksum covers; where nothing has a checksum, an Ethernet card
would have refused the frame, so there only headers are damaged, which the receiver has to see through by itself.
"""

from __future__ import annotations

import heapq
import json
import select
import socket
import sys
import time
from collections import Counter
from random import Random

ETH_P_ALL, ETH_P_IP = 3, b"\x08\x00"
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
BUFFER_BYTES = 1 << 26
VNET_BYTES, LONGEST = 10, 70_000
NEEDS_CSUM = 1
LOSS, DOUBLED, LATE, DAMAGED = 0.02, 0.02, 0.05, 0.01
DELAY_S = 0.004
PORTS = {4789: "vxlan", 6081: "geneve", 7471: "stt"}
HEADERS = {"vxlan": 50, "geneve": 50, "gre": 42, "stt": 72}
"""Where the inner frame begins."""


def end(device: str) -> socket.socket:
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    found.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    found.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    found.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    found.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
    found.bind((device, ETH_P_ALL))
    return found


def format_of(frame: bytes) -> str:
    """The encapsulation of a packet, "" where it is none."""
    if frame[12:14] != ETH_P_IP or frame[14] != 0x45:
        return ""
    if frame[23] == socket.IPPROTO_GRE:
        return "gre"
    known = PORTS.get(int.from_bytes(frame[36:38], "big"), "")
    return known if frame[23] == (socket.IPPROTO_TCP if known == "stt" else socket.IPPROTO_UDP) else ""


def is_summed(frame: bytes, name: str) -> bool:
    """Whether a checksum covers all of a packet."""
    return name == "stt" or (bool(frame[34] & 0x80) if name == "gre" else frame[40:42] != bytes(2))


class Wire:
    """What is on its way, and what became of the rest."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.mode = "bad"
        self.counts: Counter[str] = Counter()
        self._flying: list[tuple[float, int, int, bytes]] = []
        self._number = 0

    def take(self, message: bytes, to: int, now: float) -> None:
        """A packet with its virtio-net header comes in, for the other end."""
        name = format_of(message[VNET_BYTES:])
        if not name:
            self._fly(now, to, message)
            return
        where = f"{to}/{name}"
        self._count(where, "in")
        self._count(where, "super", by=int(message[1] != 0))
        for copy in range(self._copies(where)):
            is_late = self.mode != "good" and (copy > 0 or self.random.random() < LATE)
            self._count(where, "late", by=int(is_late))
            self._count(where, "out")
            at = now + is_late * self.random.random() * DELAY_S
            self._fly(at, to, self._perhaps_damaged(message, name, where))

    def due(self, now: float) -> list[tuple[int, bytes]]:
        found = []
        while self._flying and self._flying[0][0] <= now:
            found.append(heapq.heappop(self._flying)[2:])
        return found

    def wait_s(self, now: float) -> float:
        return max(0.0, self._flying[0][0] - now) if self._flying else 0.5

    def _fly(self, at: float, to: int, message: bytes) -> None:
        self._number += 1
        heapq.heappush(self._flying, (at, self._number, to, message))

    def _copies(self, where: str) -> int:
        if self.mode == "good":
            return 1
        if self.random.random() < LOSS:
            self._count(where, "lost")
            return 0
        is_double = self.random.random() < DOUBLED
        self._count(where, "doubled", by=int(is_double))
        return 1 + is_double

    def _perhaps_damaged(self, message: bytes, name: str, where: str) -> bytes:
        is_whole = not (message[0] & NEEDS_CSUM or message[1])
        if not (self.mode == "bad" and is_whole and self.random.random() < DAMAGED):
            return message
        self._count(where, "damaged")
        damaged = bytearray(message)
        frame = message[VNET_BYTES:]
        until = len(frame) if is_summed(frame, name) else HEADERS[name]
        damaged[VNET_BYTES + self.random.randrange(until)] ^= self.random.randrange(1, 256)
        return bytes(damaged)

    def _count(self, where: str, what: str, by: int = 1) -> None:
        self.counts[f"{where}/{what}"] += by


def main() -> None:
    ends = [end(sys.argv[1]), end(sys.argv[2])]
    wire = Wire(int(sys.argv[3]))
    print("ready", flush=True)
    while True:
        readable = select.select([*ends, sys.stdin], [], [], wire.wait_s(time.monotonic()))[0]
        for side, one in enumerate(ends):
            if one in readable:
                wire.take(one.recv(LONGEST), 1 - side, time.monotonic())
        for side, message in wire.due(time.monotonic()):
            try:
                ends[side].send(message)
            except OSError as error:
                wire.counts[f"refused: {error}"] += 1
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            wire.mode = line.strip() if line.strip() != "counts" else wire.mode
            print(json.dumps(wire.counts), flush=True)


if __name__ == "__main__":
    main()
