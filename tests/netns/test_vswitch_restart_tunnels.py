"""Tunnels over a change of the process that forwards, seen by 1,000 pings a second and the kernel's counters."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from replacing import lost_pings, replaced
from tunnel_peers import (
    INNER,
    INNER_MTU,
    OURS,
    OUTER,
    THEIRS,
    WORKLOAD,
    VswitchProcess,
    add_tunnel,
    check_pings,
    eventually,
    inside,
    ip,
    joined,
    plug,
)

BATCH = 32
"""Frames that the switch has in hand at most, and that die with it."""


def far_switch(directory: Path) -> VswitchProcess:
    """The other end of an STT tunnel: ours, too, with its bridge's own port as workload."""
    far = VswitchProcess(directory, THEIRS)
    far.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
    add_tunnel(far, "tun", "stt", 9, remote_ip=OUTER[4][0], key="77")
    far.ofctl("add-flow", "in_port=LOCAL,actions=output:9")
    far.ofctl("add-flow", "in_port=9,actions=LOCAL")
    ip("-n", THEIRS, "addr", "add", f"{INNER[1]}/24", "dev", "br0")
    ip("-n", THEIRS, "link", "set", "br0", "mtu", INNER_MTU, "up")
    return far


def kernel_vxlan() -> None:
    words = ["type", "vxlan", "id", "77", "dstport", "4789", "local", OUTER[4][1], "remote", OUTER[4][0]]
    ip("-n", THEIRS, "link", "add", "vx0", *words)
    ip("-n", THEIRS, "addr", "add", f"{INNER[1]}/24", "dev", "vx0")
    ip("-n", THEIRS, "link", "set", "vx0", "mtu", INNER_MTU, "up")


@pytest.fixture(params=["vxlan", "stt"])
def switch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VswitchProcess]:
    started = []
    with joined():
        try:
            if request.param == "stt":
                started.append(far_switch(tmp_path / "far"))
            else:
                kernel_vxlan()
            ours = VswitchProcess(tmp_path / "vs", OURS, supervised=True)
            started.append(ours)
            ours.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
            plug(ours, "br0", "tap1", 1, INNER[0])
            add_tunnel(ours, "tun", request.param, 9, remote_ip=OUTER[4][1], key="77")
            ours.ofctl("add-flow", "in_port=1,actions=output:9")
            ours.ofctl("add-flow", "in_port=9,actions=output:1")
            check_pings(WORKLOAD, INNER[1], ours.log.read_text()[-2000:])
            ways = ours.directory / "flows" / "underlay.json"
            eventually(lambda: OUTER[4][1] in ways.read_text().partition('"ways"')[2], "the way to be saved")
            yield ours
        finally:
            for one in started:
                one.stop(signal.SIGKILL)


def said_by_the_kernel() -> list[str]:
    """How often our node's kernel has answered in place of the switch: unreachable ports, resets."""
    counters = inside(OURS, "nstat", "-asz", "IcmpOutDestUnreachs", "TcpOutRsts").splitlines()[1:]
    return [" ".join(line.split()[:2]) for line in counters]


def lost_during(action: Callable[[], None]) -> int:
    return lost_pings(WORKLOAD, INNER[1], action)


def test_tunnels_lose_nothing_in_a_planned_restart(switch: VswitchProcess) -> None:
    before = said_by_the_kernel()
    assert lost_during(lambda: replaced(switch, lambda _: switch.process.send_signal(signal.SIGHUP))) == 0
    assert said_by_the_kernel() == before
    assert switch.vsctl("get", "Interface", "tun", "error") == "[]"


def test_tunnels_lose_what_a_killed_process_had_in_hand_at_most(switch: VswitchProcess) -> None:
    before = said_by_the_kernel()
    assert lost_during(lambda: replaced(switch, lambda pid: os.kill(pid, signal.SIGKILL))) <= BATCH
    assert said_by_the_kernel() == before
    switch.vsctl("del-port", "tun")
    listening = ["ip", "netns", "exec", OURS, "cat", "/proc/net/packet"]
    sockets = subprocess.run(listening, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    assert sockets == [], "the supervisor keeps what no tunnel needs"


def watched(directory: Path, space: str, remote: str) -> VswitchProcess:
    """A switch under a supervisor with a tunnel that has a session."""
    switch = VswitchProcess(directory, space, supervised=True)
    switch.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
    add_tunnel(switch, "tun", "geneve", 9, remote_ip=remote, key="77")
    switch.vsctl("set", "Interface", "tun", "bfd:enable=true", "bfd:min_rx=200", "bfd:min_tx=200")
    return switch


def is_watched_by_both(one: VswitchProcess, other: VswitchProcess) -> bool:
    states = [switch.vsctl("get", "Interface", "tun", "bfd_status") for switch in (one, other)]
    return all("remote_state=up, state=up" in state for state in states)


def shows_a_session(switch: VswitchProcess) -> bool:
    """As the process itself says, that may not listen yet."""
    words = ["ovs-appctl", "-t", f"{switch.directory}/vswitchd.ctl", "bfd/show", "tun"]
    shown = subprocess.run(words, capture_output=True, text=True)
    return shown.returncode == 0 and "Local Session State: up" in shown.stdout


def test_a_tunnel_is_watched_after_its_process_was_killed(tmp_path: Path) -> None:
    started = []
    with joined():
        try:
            for name, space, remote in (("ours", OURS, OUTER[4][1]), ("far", THEIRS, OUTER[4][0])):
                started.append(watched(tmp_path / name, space, remote))
            ours, far = started
            eventually(lambda: is_watched_by_both(ours, far), "a session")
            ways = ours.directory / "flows" / "underlay.json"
            eventually(lambda: OUTER[4][1] in ways.read_text().partition('"ways"')[2], "the way to be saved")
            replaced(ours, lambda pid: os.kill(pid, signal.SIGKILL))
            eventually(lambda: shows_a_session(ours), "the new process to have a session")
            eventually(lambda: is_watched_by_both(ours, far), "both ends to see each other again")
        finally:
            for one in started:
                one.stop(signal.SIGKILL)
