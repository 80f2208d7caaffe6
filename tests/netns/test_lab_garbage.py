"""Any bytes at any socket: processes live on, pings are answered, what is dropped is counted."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from lab_bench import Bench
from patience import eventually
from pyroute2 import netns

SEED = random.Random(7471)
NESTED = b"[" * 200_000
HUGE = b'{"id":0,"method":"transact","params":["Tulle","' + b"x" * (4 << 20)
OPENFLOW = b"\x04\x00\x00\x08\x00\x00\x00\x01" + b"\x04\x0e\x00\x00" + SEED.randbytes(2000)
GARBAGE = {"random": SEED.randbytes(100_000), "nested": NESTED, "huge": HUGE, "openflow": OPENFLOW}
SOCKETS = (
    "node1/db.sock",
    "node1/br-int.mgmt",
    "node1/vswitchd.ctl",
    "controller/db.sock",
    "controller/api.sock",
)


def within(namespace: str, work: Callable[[], None]) -> None:
    """Runs work in a thread that lives in a namespace; its exception fails the test."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            netns.setns(namespace)
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not errors, errors


def pour(sock: socket.socket, data: bytes) -> None:
    """Sends what the other side will take and waits until it answers or hangs up, or says nothing."""
    sock.settimeout(1)  # many say nothing
    with contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def check(lab: Bench) -> None:
    assert lab.dead() == []
    assert lab.pings("red-web1", "10.0.1.12") and lab.pings("red-web1", "fd00:1::13")
    assert lab.tulle("node", "list").returncode == 0
    assert lab.flows("node1")


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_at_the_local_sockets_harms_nothing(lab: Bench, what: str) -> None:
    for name in SOCKETS:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(lab.lab.directory / name))
            pour(sock, GARBAGE[what])
    check(lab)


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_at_the_controllers_database_port_harms_nothing(lab: Bench, what: str) -> None:
    def attack() -> None:
        with socket.create_connection((lab.lab.layout.controller.address, 6640), 60) as sock:
            pour(sock, GARBAGE[what])

    within(lab.node("node2"), attack)
    check(lab)


def dropped(lab: Bench, node: str = "node1") -> int:
    return sum(row["packets"] for row in lab.client.drops(node))


def payloads() -> Iterator[bytes]:
    for length in (0, 1, 7, 8, 9, 17, 18, 30, 60, 600, 1400):
        yield SEED.randbytes(length)
        yield b"\x08\x00\x00\x00\xff\xff\xff\x00" + SEED.randbytes(length)


def segments() -> Iterator[bytes]:
    """TCP-like headers to the STT port, with all kinds of nonsense as length, offset and content."""
    for payload in payloads():
        head = SEED.randbytes(2) + (7471).to_bytes(2) + SEED.randbytes(8) + b"\x50\x18\xff\xff"
        yield head + SEED.randbytes(4) + payload
        yield head[:4] + (len(payload) << 16).to_bytes(4) + head[8:] + bytes(4) + payload


@pytest.mark.parametrize("sender", ["node2", "tor1", "controller"])
@pytest.mark.parametrize("kind", ["vxlan", "stt"])
def test_garbage_at_a_tunnel_port_is_dropped_and_counted(lab: Bench, sender: str, kind: str) -> None:
    before = dropped(lab)
    target = lab.lab.layout.node("node1").address

    def attack() -> None:
        if kind == "vxlan":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for payload in payloads():
                    sock.sendto(payload, (target, 4789))
            return
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as sock:
            for segment in segments():
                sock.sendto(segment, (target, 0))

    within(lab.node(sender), attack)
    check(lab)
    eventually(lambda: dropped(lab) >= before + 10, "the drops to be counted")
    assert all(row["reason"] for row in lab.client.drops("node1"))
