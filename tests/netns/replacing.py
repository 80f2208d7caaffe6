"""Another process of a switch takes over, and pings that have no answer meanwhile."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from patience import eventually
from vswitch_process import VswitchProcess

PROBES = 1500


def replaced(switch: VswitchProcess, action: Callable[[int], object]) -> None:
    """Does what makes another process forward, and waits until it does."""
    before = switch.forwarding_pid
    action(before)
    pid_file = switch.directory / "ovs-vswitchd.pid"
    eventually(lambda: pid_file.read_text().strip() not in ("", str(before)), "another process to forward")


def lost_pings(space: str, address: str, action: Callable[[], None]) -> int:
    """Pings without an answer while something happens; every millisecond, or ten without an answer."""
    words = ["ping", "-i", "0.001", "-c", str(PROBES), "-W", "2", address]
    with subprocess.Popen(["ip", "netns", "exec", space, *words], stdout=subprocess.PIPE, text=True) as probe:
        assert probe.stdout is not None
        first = [probe.stdout.readline() for _ in range(50)]
        action()
        text = "".join(first) + probe.stdout.read()
    found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert found, text
    return int(found[1]) - int(found[2])
