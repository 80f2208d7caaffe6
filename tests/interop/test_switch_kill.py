"""kill -9 of the process that forwards while tools load flows: nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, supervised

from tulle._native import ControllerSession

SPACE = f"tulle-kill-{os.getpid()}"
ROUNDS = 4
BUNDLE = 30


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    with supervised(VswitchProcess, tmp_path / "vs", SPACE) as process:
        yield process


class Loader:
    """Adds flows one by one and in bundles, and notes what was acknowledged, until one fails.

    Table 1 has single flows, by metadata; table 2 those of bundles, whose number is the metadata.
    """

    def __init__(self, switch: VswitchProcess, first: int) -> None:
        self._target = f"unix:{switch.directory}/br0.mgmt"
        self._file = switch.directory / "bundle.txt"
        self.next = first
        self.singles: set[int] = set()
        self.bundles: set[int] = set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while True:
            number, self.next = self.next, self.next + 1
            is_bundle = number % 3 == 0
            if not (self._add_bundle(number) if is_bundle else self._add(number)):
                return
            (self.bundles if is_bundle else self.singles).add(number)

    def _add(self, number: int) -> bool:
        return self._ofctl("add-flow", f"table=1,metadata={number},actions=drop")

    def _add_bundle(self, number: int) -> bool:
        flows = (f"table=2,metadata={number},reg1={i},actions=drop\n" for i in range(BUNDLE))
        self._file.write_text("".join(flows))
        return self._ofctl("add-flows", str(self._file), "--bundle")

    def _ofctl(self, verb: str, *words: str) -> bool:
        command = ["ovs-ofctl", "-O", "OpenFlow14", verb, self._target, *words]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def kill(switch: VswitchProcess) -> None:
    before = switch.forwarding_pid
    os.kill(before, signal.SIGKILL)
    pid_file = switch.directory / "ovs-vswitchd.pid"
    eventually(lambda: pid_file.read_text().strip() not in ("", str(before)), "another process")


def of15(switch: VswitchProcess, command: str, *arguments: str) -> str:
    return switch.run(
        "ovs-ofctl", "-O", "OpenFlow15", command, f"unix:{switch.directory}/br0.mgmt", *arguments
    )


def found(switch: VswitchProcess, table: int) -> list[int]:
    lines = switch.ofctl("dump-flows", f"table={table}").splitlines()
    return [
        int(line.split("metadata=")[1].split(",")[0].split()[0], 16) for line in lines if "metadata=" in line
    ]


def hexadecimal(line: str, name: str) -> int:
    return int(line.split(name)[1].split(",")[0].split()[0], 16)


def test_what_was_acknowledged_before_a_kill_is_there_after_it(switch: VswitchProcess) -> None:
    moments = random.Random(4)
    singles: set[int] = set()
    bundles: set[int] = set()
    first = 1
    for _ in range(ROUNDS):
        loader = Loader(switch, first)
        eventually(lambda loader=loader: loader.singles and loader.bundles, "some flows")
        time.sleep(moments.uniform(0.0, 0.4))  # the moment is what is tested
        kill(switch)
        loader.join()
        singles |= loader.singles
        bundles |= loader.bundles
        first = loader.next
        one, many = found(switch, 1), found(switch, 2)
        assert singles <= set(one), "single flows are lost"
        assert bundles <= set(many), "bundles are lost"
        assert {many.count(number) for number in many} <= {BUNDLE}, "half a bundle"
    assert len(singles) > ROUNDS and bundles, "nothing was loaded"


class Flood:
    """A controller that waits for nothing: batches of flows of table 3, a barrier behind each, many in one write.

    `sent` and `acknowledged` are how many batches; a flow's metadata is its batch, its reg1 its place in that.
    """

    BATCH = 20

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._session = ControllerSession()
        self._barriers: list[int] = []
        self.sent = self.acknowledged = 0
        while not any(event["event"] == "negotiated" for event in self._exchange()):
            pass
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                while self.sent < self.acknowledged + 8:
                    number = self.sent
                    texts = [f"table=3,metadata={number},reg1={i},actions=drop" for i in range(self.BATCH)]
                    self._session.flow_mods("add", texts)
                    self._barriers.append(self._session.barrier())
                    self.sent += 1
                for event in self._exchange():
                    assert event["event"] == "barrier-passed" and event["xid"] == self._barriers.pop(0), event
                    self.acknowledged += 1

    def _exchange(self) -> list[dict[str, Any]]:
        self._socket.sendall(self._session.outgoing())
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        return self._session.receive(data)


def test_of_many_flows_in_one_read_all_that_were_acknowledged_outlive_a_kill_and_none_has_a_gap_before_it(
    switch: VswitchProcess,
) -> None:
    moments = random.Random(5)
    for _ in range(ROUNDS):
        flood = Flood(switch.directory / "br0.mgmt")
        eventually(lambda flood=flood: flood.acknowledged > 20, "some flows")
        time.sleep(moments.uniform(0.0, 0.05))  # the moment is what is tested
        kill(switch)
        flood.join()
        lines = switch.ofctl("dump-flows", "table=3").splitlines()
        places = {
            (hexadecimal(line, "metadata="), hexadecimal(line, "reg1=")) for line in lines if "reg1=" in line
        }
        order = sorted(batch * flood.BATCH + place for batch, place in places)
        assert order == list(range(len(order))), "a flow is there, and one before it is not"
        assert flood.acknowledged * flood.BATCH <= len(order) <= flood.sent * flood.BATCH
        switch.ofctl("del-flows", "table=3")


def test_groups_meters_and_options_are_there_after_a_kill_at_once(switch: VswitchProcess) -> None:
    of15(switch, "add-group", "group_id=2,type=indirect,bucket=output:2")
    of15(switch, "add-meter", "meter=6,kbps,band=type=drop,rate=100000")
    of15(switch, "add-tlv-map", "{class=0xffff,type=1,len=4}->tun_metadata0")
    of15(switch, "add-flow", "tun_metadata0=5,actions=meter:6,group:2")
    before = [
        of15(switch, verb).split("\n", 1)[1:] for verb in ("dump-groups", "dump-meters", "dump-tlv-map")
    ]
    kill(switch)
    after = [of15(switch, verb).split("\n", 1)[1:] for verb in ("dump-groups", "dump-meters", "dump-tlv-map")]
    assert after == before
    assert "meter:6" in of15(switch, "dump-flows") and "group:2" in of15(switch, "dump-flows")


def test_a_flow_that_was_deleted_stays_away_after_a_kill(switch: VswitchProcess) -> None:
    switch.ofctl("add-flow", "table=1,metadata=1,actions=drop")
    switch.ofctl("add-flow", "table=1,metadata=2,actions=drop")
    switch.ofctl("del-flows", "table=1,metadata=1")
    kill(switch)
    assert found(switch, 1) == [2]


def test_a_damaged_journal_keeps_no_switch_from_starting(switch: VswitchProcess) -> None:
    switch.ofctl("add-flow", "table=1,metadata=1,actions=drop")
    assert switch.stop() == 0
    [journal] = (switch.directory / "flows").glob("br0.*.journal")
    nonsense = b"\0\0\0\x08 and nonsense that goes on for a while"
    journal.write_bytes(journal.read_bytes()[:8] + len(nonsense).to_bytes(8, "big") + nonsense)
    switch.start()
    assert found(switch, 1) == [1]
    log = switch.log.read_text()
    assert "the journal is damaged" in log, log
