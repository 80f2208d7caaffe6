"""Run inside a node with TAP devices that nobody else reads: frames whose fate is known, and what comes in.

told_packets.py SENDER    reads {"own": [[interface, mac, ip]...], "far": [[mac, ip]...], "steady": n, "told": [n...]},
                          prints "ready", starts at a line, ends at the next one, goes on listening until a third one,
                          and prints {"sent": {kind: n}, "seen": {"sender kind": [numbers]}}

Each millisecond there is a frame of the steady kind and one of the other kinds in turn, each from another interface to
another far end.  A kind is the UDP port that it is sent to; the payload says who sent it as which of its kind.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections import defaultdict
from itertools import cycle
from typing import Any

PERIOD_S = 0.001
ETH_IPV4 = 0x0800
SO_RCVBUFFORCE = 33
MARK = b"told"
HEADERS_BYTES = 42


def frame(source: list[str], target: list[str], kind: int, payload: bytes) -> bytes:
    """A UDP datagram in IPv4 in Ethernet, without a UDP checksum (RFC 768)."""
    udp = struct.pack("!HHHH", 4000, kind, 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source[2]) + socket.inet_aton(target[1])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = 0xFFFF - ((total & 0xFFFF) + (total >> 16))
    head = head[:10] + struct.pack("!H", checksum) + head[12:]
    macs = bytes.fromhex((target[0] + source[1]).replace(":", ""))
    return macs + struct.pack("!H", ETH_IPV4) + head + udp


def listen(heard: socket.socket, until: float, seen: dict[str, list[int]]) -> None:
    while (left := until - time.monotonic()) > 0 and select.select([heard], [], [], left)[0]:
        data = heard.recv(2048)
        if data[HEADERS_BYTES : HEADERS_BYTES + 4] == MARK:
            sender, kind, number = struct.unpack_from("!BHI", data, HEADERS_BYTES + 4)
            seen[f"{sender} {kind}"].append(number)


def take_all(heard: socket.socket, seen: dict[str, list[int]]) -> None:
    """Listen until nothing comes any more, however much waits on a machine that is busy."""
    before = -1
    while before != (before := sum(map(len, seen.values()))):
        listen(heard, time.monotonic() + 0.2, seen)


def asked() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def run(sender: int, plan: dict[str, Any]) -> None:
    kinds = [plan["steady"], *plan["told"]]
    heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_IPV4))
    heard.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
    heard.setblocking(False)
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    sent, seen = dict.fromkeys(kinds, 0), defaultdict(list)
    own, far, told = cycle(plan["own"]), cycle(plan["far"]), cycle(plan["told"])
    due = time.monotonic()
    while not asked():
        for kind in (plan["steady"], next(told)):
            source = next(own)
            payload = MARK + struct.pack("!BHI", sender, kind, sent[kind])
            out.sendto(frame(source, next(far), kind, payload), (source[0], 0))
            sent[kind] += 1
        due += PERIOD_S
        listen(heard, due, seen)
    sys.stdin.readline()
    while not asked():
        listen(heard, time.monotonic() + 0.05, seen)
    sys.stdin.readline()
    take_all(heard, seen)
    print(json.dumps({"sent": sent, "seen": seen}), flush=True)


if __name__ == "__main__":
    run(int(sys.argv[1]), json.loads(sys.stdin.readline()))
