"""Run inside a workload: counts the frames that its devices send and receive, whichever come and go.

Answers to ARP are left out: the switch makes them itself, so nobody has sent them to the port.

count_frames.py    prints "ready", and at a line on standard input the number of frames so far
"""

from __future__ import annotations

import select
import socket
import sys

ETH_P_ALL, ETH_P_ARP = 3, 0x0806
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33


def main() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as every:
        every.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        print("ready", flush=True)
        count = 0
        while True:
            readable = select.select([every, sys.stdin], [], [])[0]
            if every in readable:
                device, protocol, kind, *_ = every.recvfrom(64)[1]
                count += device != "lo" and (kind == PACKET_OUTGOING or protocol != ETH_P_ARP)
            elif not sys.stdin.readline():
                return
            else:
                print(count, flush=True)


main()
