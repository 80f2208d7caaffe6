"""A full disk: what controllers change is done all the same, everybody can see it, and it heals by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_switch_kill import found, kill
from vswitch_process import PATIENCE_S, VswitchProcess, eventually, supervised

SPACE = f"tulle-full-{os.getpid()}"
SIZE = "512k"
# `ip netns exec` has given the process mounts of its own.
MOUNT = f'mkdir -p "$1"/flows && mount -t tmpfs -o size={SIZE} tulle "$1"/flows && shift && exec "$@"'


class Small(VswitchProcess):
    """One whose flows are written to a small file system that nobody else sees."""

    def start(self) -> None:
        """Start, and wait until it listens."""
        words = [sys.executable, "-m", "tulle.vswitch", str(self.directory), "", "node1"]
        inside = ["ip", "netns", "exec", self.namespace, "sh", "-c", MOUNT, "sh", str(self.directory)]
        with self.log.open("a") as log:
            self.process = subprocess.Popen([*inside, *words], stdout=log, stderr=log)
        eventually(self._answers, f"the switch to answer; its log says {self.log.read_text()[-2000:]}")

    def inside(self, *command: str) -> int:
        """Run a program that sees its files; the exit code."""
        enter = ["nsenter", f"--target={self.process.pid}", "--mount"]
        return subprocess.run([*enter, *command], capture_output=True, timeout=PATIENCE_S).returncode

    def error(self) -> str:
        """What the bridge's row says is wrong."""
        return self.vsctl("get", "Bridge", "br0", "status")


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Small]:
    with supervised(Small, tmp_path / "vs", SPACE) as process:
        yield process


def test_a_full_disk_is_told_and_once_there_is_room_nothing_is_missing(switch: Small) -> None:
    switch.ofctl("add-flow", "table=1,metadata=1,actions=drop")
    filler = f"{switch.directory}/flows/filler"
    assert switch.inside("dd", "if=/dev/zero", f"of={filler}", "bs=4k") != 0, "it did not become full"
    many = switch.directory / "many.txt"
    many.write_text("".join(f"table=1,metadata={number},actions=drop\n" for number in range(2, 3000)))
    switch.ofctl("add-flows", str(many))
    eventually(lambda: "not written down" in switch.error(), "the bridge to say so")
    assert len(found(switch, 1)) == 2999, "a switch goes on"
    assert "changes not written down" in switch.log.read_text()
    assert switch.inside("rm", filler) == 0
    eventually(lambda: "not written down" not in switch.error(), "the bridge to have saved")
    kill(switch)
    assert len(found(switch, 1)) == 2999
    assert "changes written down again" in switch.log.read_text()
