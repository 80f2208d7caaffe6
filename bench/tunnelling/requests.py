"""One byte there, one byte back, over and over: a program for either end.

    python requests.py answer ADDRESS
    python requests.py ask ADDRESS SECONDS

`ask` prints requests a second and the median round trip in microseconds.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time

PORT = 5300
PATIENCE_S = 10


def answer(address: str) -> None:
    """Until the one who asks goes."""
    with socket.create_server((address, PORT)) as listener:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while byte := peer.recv(1):
            peer.send(byte)


def ask(address: str, seconds: float) -> dict[str, float]:
    """Round trips for so many seconds."""
    end_of_patience = time.monotonic() + PATIENCE_S
    while True:
        try:
            peer = socket.create_connection((address, PORT), timeout=1)
            break
        except OSError:
            if time.monotonic() > end_of_patience:
                raise
            time.sleep(0.02)
    peer.settimeout(None)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    trips = []
    begun = before = time.perf_counter()
    while before - begun < seconds:
        peer.send(b"?")
        peer.recv(1)
        now = time.perf_counter()
        trips.append(now - before)
        before = now
    return {"requests_s": len(trips) / (before - begun), "median_us": statistics.median(trips) * 1e6}


if __name__ == "__main__":
    if sys.argv[1] == "answer":
        answer(sys.argv[2])
    else:
        print(json.dumps(ask(sys.argv[2], float(sys.argv[3]))))
