"""Real pings through switch processes: two TAP ports of one, and a tunnel between two."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
WORKLOADS = (f"tulle-fa-{ID}", f"tulle-fb-{ID}")
NODES = (f"tulle-n1-{ID}", f"tulle-n2-{ID}")
UNDERLAY = ("192.0.2.1", "192.0.2.2")


@pytest.fixture
def spaces() -> Iterator[None]:
    for name in (*WORKLOADS, *NODES):
        ip("netns", "add", name)
    try:
        ip("link", "add", "u0", "netns", NODES[0], "type", "veth", "peer", "name", "u0", "netns", NODES[1])
        for node, address in zip(NODES, UNDERLAY, strict=True):
            ip("-n", node, "addr", "add", f"{address}/24", "dev", "u0")
            ip("-n", node, "link", "set", "u0", "up")
        yield
    finally:
        for name in (*WORKLOADS, *NODES):
            ip("netns", "del", name)


def stop(*switches: VswitchProcess) -> None:
    for switch in switches:
        if switch.process.poll() is None:
            switch.stop(signal.SIGKILL)


def plug(switch: VswitchProcess, name: str, number: int, workload: int) -> None:
    """Make a TAP port and put it into a workload's namespace as 10.0.0.1 or 10.0.0.2."""
    words = ["add-port", "br0", name, "--", "set", "Interface", name, "type=tap", f"ofport_request={number}"]
    switch.vsctl(*words)
    space = WORKLOADS[workload]
    ip("-n", switch.namespace, "link", "set", "dev", name, "netns", space)
    ip("-n", space, "link", "set", "dev", name, "name", "eth0")
    ip("-n", space, "addr", "add", f"10.0.0.{workload + 1}/24", "dev", "eth0")
    ip("-n", space, "link", "set", "eth0", "up")


def ping(*options: str) -> subprocess.CompletedProcess[str]:
    command = ["ip", "netns", "exec", WORKLOADS[0], "ping", "-i", "0.05", "-W", "1", *options, "10.0.0.2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def answers() -> bool:
    return ping("-c", "1").returncode == 0


@pytest.mark.usefixtures("spaces")
def test_two_taps_ping_through_flows_of_ovs_ofctl(tmp_path: Path) -> None:
    switch = VswitchProcess(tmp_path / "vs", NODES[0])
    try:
        switch.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        plug(switch, "tap1", 1, 0)
        plug(switch, "tap2", 2, 1)
        assert not answers(), "a switch without flows must not forward"
        switch.ofctl("add-flow", "in_port=1,actions=output:2")
        switch.ofctl("add-flow", "in_port=2,actions=output:1")
        eventually(answers, f"a ping; dump: {switch.ofctl('dump-flows')}")
        done = ping("-c", "5", "-s", "1400")
        assert ", 0% packet loss" in done.stdout, done.stdout
        statistics = "statistics:rx_packets"
        eventually(lambda: int(switch.vsctl("get", "Interface", "tap1", statistics) or 0) > 5, "statistics")
        assert '"no-match"' in switch.appctl("drops/show", "json")
    finally:
        stop(switch)


@pytest.mark.usefixtures("spaces")
@pytest.mark.parametrize("encapsulation", ["stt", "vxlan", "geneve", "gre", "nvgre"])
def test_two_switches_ping_through_a_tunnel_and_find_each_other_by_arp(
    tmp_path: Path, encapsulation: str
) -> None:
    switches = [VswitchProcess(tmp_path / f"vs{index}", NODES[index]) for index in (0, 1)]
    try:
        for index, switch in enumerate(switches):
            switch.vsctl("add-br", "br0")
            plug(switch, "tap1", 1, index)
            remote = f"options:remote_ip={UNDERLAY[1 - index]}"
            tunnel = ["add-port", "br0", "tun", "--", "set", "Interface", "tun", "ofport_request=9"]
            switch.vsctl(*tunnel, f"type={encapsulation}", remote, "options:key=flow")
            switch.ofctl("add-flow", "in_port=1,actions=set_field:7->tun_id,output:9")
            switch.ofctl("add-flow", "in_port=9,tun_id=7,actions=output:1")
        eventually(answers, f"a ping; log: {switches[0].log.read_text()}")
        assert ", 0% packet loss" in ping("-c", "5").stdout
        mac = "02:00:00:00:77:01"
        ip("-n", NODES[1], "link", "set", "u0", "down")
        ip("-n", NODES[1], "link", "set", "u0", "address", mac)
        ip("-n", NODES[1], "link", "set", "u0", "up")
        eventually(answers, "a ping after the peer's MAC address changed")
        ip("-n", NODES[0], "addr", "flush", "dev", "u0")
        error = lambda: switches[0].vsctl("get", "Interface", "tun", "error")  # noqa: E731
        eventually(lambda: "no route" in error(), "the tunnel to have an error without a route")
        ip("-n", NODES[0], "addr", "add", f"{UNDERLAY[0]}/24", "dev", "u0")
        eventually(lambda: error() == "[]", "the tunnel to work again")
        eventually(answers, "a ping after the route came back")
    finally:
        stop(*switches)
