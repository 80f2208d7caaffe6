"""Run inside a workload: counts the frames that its devices send and receive, whichever come and go.

Answers to ARP are left out: the switch makes them itself, so nobody has sent them to the port.

count_frames.py    prints "ready", and at a line on standard input the number of frames so far, and what they are
"""

from __future__ import annotations

import select
import socket
import sys
from collections import Counter

ETH_P_ALL, ETH_P_ARP = 3, 0x0806
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33


def main() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as every:
        every.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        print("ready", flush=True)
        counts: Counter[str] = Counter()
        while True:
            readable = select.select([every, sys.stdin], [], [])[0]
            if every in readable:
                frame, (device, protocol, kind, *_) = every.recvfrom(64)
                if device != "lo" and (kind == PACKET_OUTGOING or protocol != ETH_P_ARP):
                    counts[f"{protocol:04x}/{frame[23] if protocol == 0x800 else 0}/{kind}"] += 1
            elif not sys.stdin.readline():
                return
            else:
                print(counts.total(), dict(counts), flush=True)


main()
