"""Run inside a workload: probes once a millisecond, or a TCP stream, until a line comes on standard input.

live_traffic.py probe OWN PEER       "ready", starts at a line; after the next "sent N"; reads what the peer
                                     sent, and prints "lost [NUMBERS] N"
live_traffic.py receive OWN          prints the digest and number of the bytes that came
live_traffic.py send OWN PEER        prints the same of what it sent
live_traffic.py serve OWN            sends to whoever connects, and prints the same of what it sent
live_traffic.py fetch OWN PEER       connects, and prints the same of what came
"""

from __future__ import annotations

import hashlib
import random
import select
import socket
import sys
import time

PROBE_PORT, STREAM_PORT = 9000, 9001
PERIOD_S = 0.001
LINGER_S = 5.0
"""How long after the end probes may still come, on a machine that is busy."""
LOOK_S = 0.02
CHUNK_BYTES = 1 << 16
CHUNK_PERIOD_S = 0.01
SO_RCVBUFFORCE = 33


def asked_to_end() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def probe(own: str, peer: str) -> None:
    """Both sides send and listen; the last message says how many there were."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        sock.bind((own, PROBE_PORT))
        sock.setblocking(False)
        print("ready", flush=True)
        sys.stdin.readline()
        heard: set[int] = set()
        sent, due = 0, time.monotonic()
        while not asked_to_end():
            sock.sendto(sent.to_bytes(4, "big"), (peer, PROBE_PORT))
            sent += 1
            due += PERIOD_S
            listen(sock, due, heard)
        sys.stdin.readline()
        print("sent", sent, flush=True)
        total = int(sys.stdin.readline())  # what the peer has sent
        late = time.monotonic() + LINGER_S
        while len(heard) < total and time.monotonic() < late:
            listen(sock, time.monotonic() + LOOK_S, heard)
        print("lost", sorted(set(range(total)) - heard)[:50], total - len(heard & set(range(total))))


def listen(sock: socket.socket, until: float, heard: set[int]) -> None:
    while (left := until - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            heard.add(int.from_bytes(sock.recv(16), "big"))


def receive(own: str) -> None:
    with socket.create_server((own, STREAM_PORT)) as server:
        print("ready", flush=True)
        take_all(server.accept()[0])


def fetch(own: str, peer: str) -> None:
    with socket.create_connection((peer, STREAM_PORT), 10, (own, 0)) as sock:
        print("ready", flush=True)
        take_all(sock)


def take_all(sock: socket.socket) -> None:
    digest, total = hashlib.sha256(), 0
    while data := sock.recv(CHUNK_BYTES):
        digest.update(data)
        total += len(data)
    print(digest.hexdigest(), total)


def serve(own: str) -> None:
    with socket.create_server((own, STREAM_PORT)) as server:
        print("ready", flush=True)
        give_all(server.accept()[0])


def send(own: str, peer: str) -> None:
    with socket.create_connection((peer, STREAM_PORT), 10, (own, 0)) as sock:
        print("ready", flush=True)
        give_all(sock)


def give_all(sock: socket.socket) -> None:
    digest, total, source = hashlib.sha256(), 0, random.Random(1)
    with sock:
        while not asked_to_end():
            data = source.randbytes(CHUNK_BYTES)
            sock.sendall(data)
            digest.update(data)
            total += len(data)
            time.sleep(CHUNK_PERIOD_S)
    print(digest.hexdigest(), total)


if __name__ == "__main__":
    roles = {"probe": probe, "receive": receive, "send": send, "serve": serve, "fetch": fetch}
    roles[sys.argv[1]](*sys.argv[2:])
