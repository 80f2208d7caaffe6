"""A change of the process that forwards, seen by numbered frames between two veth ports: none is lost or doubled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import eventually
from pyroute2 import netns
from replacing import replaced
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
NODE, HOSTS = f"tulle-vh-{ID}", f"tulle-vhh-{ID}"
ETHERTYPE = 0x88B5
HEADER = bytes.fromhex("020000000002 020000000001 88b5")
INTERVAL_S = 0.001
RECEIVE_BYTES = 4 << 20
BATCH = 32
"""Frames that the switch has in hand at most, and that die with it."""
FEW = 5
"""Frames that wait at one instant, of which a millisecond brings one."""


class Stream:
    """Sends a numbered frame a millisecond into port 1, and notes the numbers that come out of port 2."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.sent = 0
        with entered(HOSTS):
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._out.bind(("h1", 0))
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE))
            self._in.bind(("h2", ETHERTYPE))
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._in.settimeout(0.05)
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]

    def __enter__(self) -> Stream:
        self._out.send(self._frame(0))
        eventually(self._has_passed, "a frame to pass")
        self.received.clear()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._out.close()
        self._in.close()

    def finish(self) -> list[int]:
        """Stop sending, wait for the last frame, and give what came."""
        self._ending.set()
        self._threads[0].join()
        last = self.sent
        eventually(lambda: self.received and self.received[-1] == last, f"frame {last}; {self.received[-3:]}")
        return self.received

    def _has_passed(self) -> bool:
        self._out.send(self._frame(0))
        try:
            return bool(self._in.recv(64))
        except TimeoutError:
            return False

    def _send(self) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            self.sent += 1
            self._out.send(self._frame(self.sent))
            due += INTERVAL_S
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self) -> None:
        while not self._ending.is_set() or self.received[-1:] != [self.sent]:
            try:
                number = int.from_bytes(self._in.recv(64)[14:18], "big")
            except TimeoutError:
                if self._ending.is_set():
                    return
                continue
            if number:
                self.received.append(number)

    @staticmethod
    def _frame(number: int) -> bytes:
        return (HEADER + number.to_bytes(4, "big")).ljust(60, b"\0")


@contextmanager
def entered(space: str) -> Iterator[None]:
    netns.pushns(space)
    try:
        yield
    finally:
        netns.popns()


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    process = None
    for name in (NODE, HOSTS):
        ip("netns", "add", name)
    try:
        process = VswitchProcess(tmp_path / "vs", NODE, supervised=True)
        process.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        for number in (1, 2):
            ip(
                "-n", NODE, "link", "add", f"p{number}", "type", "veth",
                "peer", "name", f"h{number}", "netns", HOSTS,
            )  # fmt: skip
            ip("-n", NODE, "link", "set", f"p{number}", "up")
            ip("-n", HOSTS, "link", "set", f"h{number}", "up")
            name = f"p{number}"
            process.vsctl("add-port", "br0", name, "--", "set", "Interface", name, f"ofport_request={number}")
        process.ofctl("add-flow", "in_port=1,actions=output:2")
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        for name in (NODE, HOSTS):
            ip("netns", "del", name)


def hang_up(switch: VswitchProcess) -> None:
    replaced(switch, lambda _: switch.process.send_signal(signal.SIGHUP))


def kill(switch: VswitchProcess) -> None:
    replaced(switch, lambda pid: os.kill(pid, signal.SIGKILL))


def test_a_planned_restart_loses_and_doubles_no_frame_of_a_veth_port(switch: VswitchProcess) -> None:
    with Stream() as stream:
        for _ in range(3):
            hang_up(switch)
        received = stream.finish()
    assert received == list(range(1, stream.sent + 1))


def test_several_threads_lose_in_a_restart_what_waits_at_one_instant(switch: VswitchProcess) -> None:
    switch.vsctl("set", "Open_vSwitch", ".", "other_config:n-threads=4")
    with Stream() as stream:
        hang_up(switch)
        received = stream.finish()
    assert received == sorted(set(received)), "none is doubled"
    assert stream.sent - len(received) <= FEW, "a thread that is no more got none of the rest"


def test_another_supervisor_takes_over_and_no_frame_of_a_veth_port_is_lost(switch: VswitchProcess) -> None:
    words = ["ip", "netns", "exec", NODE, sys.executable, "-m", "tulle.vswitch"]
    words += [str(switch.directory), "", "node1", "--take-over"]
    started: list[subprocess.Popen[bytes]] = []
    try:
        with Stream() as stream, switch.log.open("a") as log:
            replaced(switch, lambda _: started.append(subprocess.Popen(words, stdout=log, stderr=log)))
            received = stream.finish()
        assert received == list(range(1, stream.sent + 1))
        assert switch.process.wait(60) == 0, switch.log.read_text()[-2000:]
        assert (switch.directory / "hand-over.sock").is_socket()
    finally:
        for process in started:
            process.terminate()
            process.wait(60)


def test_an_heir_that_dies_leaves_the_packets_to_the_one_before(switch: VswitchProcess) -> None:
    with Stream() as stream:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as heir:
            heir.connect(str(switch.directory / "hand-over.sock"))
            heir.settimeout(60)
            heir.send(b'{"say": "hand-over"}')
            while heir.recv(4096) != b'{"say":"saved"}':
                pass
            before = switch.forwarding_pid
        pid_file = switch.directory / "ovs-vswitchd.pid"
        eventually(lambda: pid_file.read_text().strip() not in ("", str(before)), "a process of its own")
        received = stream.finish()
    assert received == list(range(1, stream.sent + 1))


def test_a_killed_process_loses_what_it_had_in_hand_at_most(switch: VswitchProcess) -> None:
    with Stream() as stream:
        kill(switch)
        received = stream.finish()
    assert received == sorted(received)
    assert max(Counter(received).values()) == 1
    assert stream.sent - len(received) <= BATCH


def successors(switch: VswitchProcess, before: int) -> list[int]:
    supervisor = Path(f"/proc/{switch.process.pid}/task/{switch.process.pid}/children")
    return [pid for pid in map(int, supervisor.read_text().split()) if pid != before]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "with a successor"])
def test_a_signal_to_end_in_the_middle_of_a_restart_ends_all(switch: VswitchProcess, waits: bool) -> None:
    before = switch.forwarding_pid
    switch.process.send_signal(signal.SIGHUP)
    others = eventually(lambda: successors(switch, before), "a successor") if waits else []
    assert switch.stop() == 0, switch.log.read_text()[-2000:]
    assert [pid for pid in (before, *others) if Path(f"/proc/{pid}").exists()] == []


def test_a_successor_that_is_killed_before_it_forwards_is_replaced(switch: VswitchProcess) -> None:
    before = switch.forwarding_pid
    with Stream() as stream:
        switch.process.send_signal(signal.SIGHUP)
        os.kill(eventually(lambda: successors(switch, before), "a successor")[0], signal.SIGKILL)
        pid_file = switch.directory / "ovs-vswitchd.pid"
        eventually(lambda: pid_file.read_text().strip() not in ("", str(before)), "another one")
        received = stream.finish()
    assert received == sorted(set(received))
    assert stream.sent - len(received) <= BATCH
    assert switch.vsctl("get", "Interface", "p2", "ofport") == "2"


def test_a_veth_that_is_made_anew_while_nobody_forwards_is_opened_anew(switch: VswitchProcess) -> None:
    os.kill(switch.process.pid, signal.SIGSTOP)
    os.kill(switch.forwarding_pid, signal.SIGKILL)
    ip("-n", NODE, "link", "del", "p2")
    ip("-n", NODE, "link", "add", "p2", "type", "veth", "peer", "name", "h2", "netns", HOSTS)
    ip("-n", NODE, "link", "set", "p2", "up")
    ip("-n", HOSTS, "link", "set", "h2", "up")
    replaced(switch, lambda _: os.kill(switch.process.pid, signal.SIGCONT))
    with Stream() as stream:
        received = stream.finish()
    assert received == list(range(1, stream.sent + 1))


def test_a_port_that_is_removed_lets_go_of_its_device(switch: VswitchProcess) -> None:
    def listeners() -> int:
        listed = ["ip", "netns", "exec", NODE, "cat", "/proc/net/packet"]
        return len(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()) - 1

    assert listeners() == 2
    switch.vsctl("del-port", "br0", "p1")
    eventually(lambda: listeners() == 1, "one socket to be closed")
    hang_up(switch)
    assert listeners() == 1
