"""Run inside a workload: sends frames that say what they are, and checks each that comes; TCP of the kernel besides.

soak_frames.py SIDE SEED DEVICE=LONGEST ...    SIDE is 0 or 1; prints "ready"

Lines on standard input: `go`, `stop` (send nothing more), `sure N` (send N frames of all lengths by each device at
once), `short N` (N that fit into one packet) and `counts`; each is answered with the counts as JSON.
Small frames end in a keyed digest of themselves.  Super-frames hold a stretch of what both sides know, which their
port and sequence numbers name, so that each piece that a wire cuts from them can be checked.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from hashlib import blake2b, sha256
from random import Random

ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
SO_RCVBUFFORCE = 33
VNET_BYTES, LONGEST = 10, 70_000
DIGEST_BYTES, LEAST, SHORT = 16, 60, 1380
LOCAL_TYPE = b"\x88\xb5"  # IEEE 802 local experimental
KEY = b"soak"
SIDE, SEED = int(sys.argv[1]), int(sys.argv[2])
MACS = [bytes.fromhex(f"0200000000a{side}") for side in (0, 1)]
KNOWN = Random(SEED).randbytes(61 * 65536 + 65536)
TICK_S, FRAMES = 0.01, 2
SUPER_SHARE = 0.1
STREAM_BYTES, STREAM_PORT, PATIENCE_S = 1 << 20, 5001, 10.0
COUNTS: Counter[str] = Counter()
WRONG: list[str] = []


def small(number: int, length: int) -> bytes:
    """A frame with its number, its length and a digest of all."""
    head = MACS[1 - SIDE] + MACS[SIDE] + LOCAL_TYPE + struct.pack("!QI", number, length)
    body = head + KNOWN[number % 1_000_003 :][: length - len(head) - DIGEST_BYTES]
    return body + blake2b(body, key=KEY, digest_size=DIGEST_BYTES).digest()


def is_small(frame: bytes) -> bool:
    digest = blake2b(frame[:-DIGEST_BYTES], key=KEY, digest_size=DIGEST_BYTES).digest()
    return digest == frame[-DIGEST_BYTES:] and struct.unpack("!I", frame[22:26])[0] == len(frame)


def ones_sum(data: bytes) -> int:
    return int.from_bytes(data + bytes(len(data) % 2), "big") % 65535


def super_frame(port: int, length: int, mss: int) -> bytes:
    """TCP over IPv4 to be cut into pieces of `mss`, behind its virtio-net header."""
    addresses = bytes((10, 9, 0, 1 + SIDE, 10, 9, 0, 2 - SIDE))
    ip = struct.pack("!BBHHHBBH8s", 0x45, 0, 40 + length, 7, 0x4000, 64, 6, 0, addresses)
    ip = ip[:10] + struct.pack("!H", 65535 - ones_sum(ip)) + ip[12:]
    pseudo = ones_sum(addresses + struct.pack("!HH", 6, 20 + length))
    tcp = struct.pack("!HHIIBBHHH", port, 9, 0, 1, 0x50, 0x10, 500, pseudo, 0)
    vnet = struct.pack("<BBHHHH", 1, 1, 54, mss, 34, 16)
    head = MACS[1 - SIDE] + MACS[SIDE] + b"\x08\x00"
    return vnet + head + ip + tcp + KNOWN[61 * port :][:length]


def is_piece(frame: bytes, is_partial: bool) -> bool:
    port, _, at = struct.unpack("!HHI", frame[34:42])
    end = 14 + int.from_bytes(frame[16:18], "big")
    payload = frame[54:end]
    pseudo = frame[26:34] + struct.pack("!HH", 6, end - 34)
    is_right = is_partial or ones_sum(pseudo + frame[34:end]) in (0, 65535)
    return is_right and payload == KNOWN[61 * port + at :][: len(payload)] and bool(payload)


class Port:
    """One device: what was sent by it, and what came."""

    def __init__(self, device: str, longest: int) -> None:
        self.name, self.longest = device, longest
        self.random = Random(f"{SEED}{SIDE}{device}")
        self.number, self.port = 0, 1024
        self.seen: set[int] = set()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setblocking(False)

    def send(self) -> None:
        """Any frame."""
        if self.random.random() < SUPER_SHARE:
            self.port = self.port + 1 if self.port < 65535 else 1024
            self._send("super", super_frame(self.port, self.random.randrange(3000, 64_000), 1200))
        else:
            self.send_small(self.longest)

    def send_small(self, longest: int) -> None:
        """One with a digest, in one of five cases up to the longest."""
        longest = longest if self.random.random() < 0.2 else min(longest, SHORT)
        self._send(
            "small", bytes(VNET_BYTES) + small(self.number, self.random.randrange(LEAST, longest + 15))
        )
        self.number += 1

    def _send(self, what: str, message: bytes) -> None:
        try:
            self.socket.send(message)
            COUNTS[f"{self.name}/sent-{what}"] += 1
        except BlockingIOError:
            COUNTS[f"{self.name}/not-sent-{what}"] += 1

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                message = self.socket.recv(LONGEST)
                self._check(message[VNET_BYTES:], bool(message[0] & 3))

    def _check(self, frame: bytes, is_vouched: bool) -> None:
        if frame[12:14] == LOCAL_TYPE and is_small(frame) and frame[6:12] == MACS[1 - SIDE]:
            number = int.from_bytes(frame[14:22], "big")
            COUNTS[f"{self.name}/came-small" if number not in self.seen else f"{self.name}/came-again"] += 1
            self.seen.add(number)
        elif frame[6:12] == MACS[1 - SIDE] and frame[12:14] == b"\x08\x00" and is_piece(frame, is_vouched):
            COUNTS[f"{self.name}/came-pieces"] += 1
            COUNTS[f"{self.name}/came-bytes"] += len(frame) - 54
        elif frame[6:12] == MACS[1 - SIDE] or frame[12:14] not in (b"\x08\x00", b"\x08\x06", b"\x86\xdd"):
            COUNTS[f"{self.name}/wrong"] += 1
            WRONG.append(f"{self.name}: {len(frame)} bytes {frame[:64].hex()}")


def serve(address: str) -> None:
    """Take streams one after the other, and say what came."""
    with socket.create_server((address, STREAM_PORT)) as listening:
        while True:
            one, _ = listening.accept()
            one.settimeout(PATIENCE_S)
            with one, contextlib.suppress(OSError):
                at = 0
                while data := one.recv(1 << 16):
                    if data != KNOWN[at : at + len(data)]:
                        WRONG.append(f"stream to {address}: other bytes at {at}")
                    at += len(data)
                one.sendall(sha256(KNOWN[:at]).digest())


def stream(device: str, address: str, is_going: threading.Event) -> None:
    """Send streams one after the other; one that the wire was too bad for is told and given up."""
    right = sha256(KNOWN[:STREAM_BYTES]).digest()
    while True:
        is_going.wait()
        try:
            with socket.create_connection((address, STREAM_PORT), PATIENCE_S) as one:
                one.sendall(KNOWN[:STREAM_BYTES])
                one.shutdown(socket.SHUT_WR)
                if one.recv(32) != right:
                    WRONG.append(f"stream by {device}: not what was sent")
                COUNTS[f"{device}/streams"] += 1
        except OSError:
            COUNTS[f"{device}/broken-streams"] += 1
            time.sleep(0.2)


def obey(line: str, ports: list[Port], is_going: threading.Event) -> None:
    word, _, number = line.strip().partition(" ")
    if word == "go":
        is_going.set()
    elif word == "stop":
        is_going.clear()
    elif word in ("sure", "short"):
        for port in ports * int(number):
            port.send_small(SHORT if word == "short" else port.longest)
    print(json.dumps({"counts": COUNTS, "wrong": WRONG[:5]}), flush=True)


def main() -> None:
    ports = [Port(name, int(longest)) for name, longest in (word.split("=") for word in sys.argv[3:])]
    is_going = threading.Event()
    for index, port in enumerate(ports, 1):
        words = (f"10.0.{index}.2",) if SIDE else (port.name, f"10.0.{index}.2", is_going)
        threading.Thread(target=serve if SIDE else stream, args=words, daemon=True).start()
    print("ready", flush=True)
    due = time.monotonic()
    while True:
        wait_s = max(0.0, due - time.monotonic()) if is_going.is_set() else 0.5
        readable = select.select([*(port.socket for port in ports), sys.stdin], [], [], wait_s)[0]
        for port in ports:
            port.receive()
        if is_going.is_set() and time.monotonic() >= due:
            due = time.monotonic() + TICK_S
            for port in ports * FRAMES:
                port.send()
        if sys.stdin in readable:
            if not (line := sys.stdin.readline()):
                return
            obey(line, ports, is_going)


if __name__ == "__main__":
    main()
