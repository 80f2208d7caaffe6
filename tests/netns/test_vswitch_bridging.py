"""A switch process as a learning switch: VLANs, patches, mirrors, bonds, learned addresses, by real packets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import eventually
from vswitch_process import VswitchProcess, ip

ID = os.getpid()
NODE = f"tulle-vb-{ID}"
WORKLOADS = tuple(f"tulle-vb{index}-{ID}" for index in (1, 2, 3))


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[VswitchProcess]:
    process = None
    for name in (NODE, *WORKLOADS):
        ip("netns", "add", name)
    try:
        process = VswitchProcess(tmp_path / "vs", NODE)
        yield process
    finally:
        if process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
        for name in (NODE, *WORKLOADS):
            ip("netns", "del", name)


def plug(switch: VswitchProcess, port: str, workload: int, *, bridge: str = "br0", **columns: str) -> None:
    """An internal port in a workload's namespace, with 10.0.0.WORKLOAD; `columns` are of table Port."""
    values = [f"{name}={value}" for name, value in columns.items()]
    words = ["add-port", bridge, port, *values, "--", "set", "Interface", port, "type=internal"]
    switch.vsctl(*words)
    space = WORKLOADS[workload - 1]
    ip("-n", switch.namespace, "link", "set", "dev", port, "netns", space)
    ip("-n", space, "addr", "add", f"10.0.0.{workload}/24", "dev", port)
    ip("-n", space, "link", "set", port, "up")


def pings(source: int, target: int, count: int = 1) -> bool:
    command = ["ip", "netns", "exec", WORKLOADS[source - 1], "ping", "-c", str(count), "-W", "1", "-i", "0.1"]
    return subprocess.run([*command, f"10.0.0.{target}"], capture_output=True).returncode == 0


def test_a_bridge_without_a_controller_learns_and_shows_what_it_learned(switch: VswitchProcess) -> None:
    switch.vsctl("add-br", "br0")
    plug(switch, "p1", 1)
    plug(switch, "p2", 2)
    eventually(lambda: pings(1, 2), f"a ping; {switch.log.read_text()[-2000:]}")
    mac = json.loads(ip("-n", WORKLOADS[0], "-j", "link", "show", "p1"))[0]["address"]
    shown = switch.appctl("fdb/show", "br0")
    number = switch.vsctl("get", "Interface", "p1", "ofport")
    assert re.search(rf"^\s+{number}\s+0\s+{mac}\s+\d+$", shown, re.M), shown
    assert "learned MAC entries     : 2" in switch.appctl("fdb/stats-show", "br0")
    assert switch.appctl("fdb/stats-clear", "br0") == "statistics successfully cleared"
    assert "learned MAC entries     : 0" in switch.appctl("fdb/stats-show", "br0")
    assert "(limit 200000)" in switch.appctl("upcall/show")
    switch.appctl("fdb/flush", "br0")
    assert mac not in switch.appctl("fdb/show", "br0")
    switch.appctl("fdb/add", "br0", "p1", "0", mac)
    assert f"{mac}  static" in switch.appctl("fdb/show", "br0")


def test_access_ports_of_different_vlans_do_not_reach_each_other(switch: VswitchProcess) -> None:
    switch.vsctl("add-br", "br0")
    plug(switch, "p1", 1, tag="10")
    plug(switch, "p2", 2, tag="20")
    plug(switch, "p3", 3, tag="10")
    eventually(lambda: pings(1, 3), "a ping in VLAN 10")
    assert not pings(1, 2)
    switch.vsctl("set", "Port", "p2", "tag=10")
    eventually(lambda: pings(1, 2), "a ping after the change of the VLAN")


def test_bridges_are_joined_by_patch_ports(switch: VswitchProcess) -> None:
    patch = ["type=patch", "options:peer="]
    for mine, peer in ((0, 1), (1, 0)):
        words = ["add-br", f"br{mine}", "--", "add-port", f"br{mine}", f"patch{mine}"]
        words += ["--", "set", "Interface", f"patch{mine}", patch[0], f"{patch[1]}patch{peer}"]
        switch.vsctl(*words)
    plug(switch, "p1", 1, bridge="br0")
    plug(switch, "p2", 2, bridge="br1")
    eventually(lambda: pings(1, 2, 3), f"a ping; {switch.appctl('drops/show')}")
    both = lambda: [switch.vsctl("get", "Interface", f"patch{index}", "statistics") for index in (0, 1)]  # noqa: E731
    passed = lambda: all(re.search(r"tx_packets=[1-9]", text) for text in both())  # noqa: E731
    eventually(passed, f"counters of both patch ports; {both()}")
    traced = switch.appctl("ofproto/trace", "br0", "in_port=p1,dl_dst=ff:ff:ff:ff:ff:ff")
    assert 'bridge("br1")' in traced, traced
    switch.vsctl("del-port", "br1", "patch1")
    assert not pings(1, 2)
    assert "patch-no-peer" in switch.appctl("drops/show", "json")


def test_a_ring_of_patches_ends_and_is_counted(switch: VswitchProcess) -> None:
    words = ["add-br", "br0", "--", "add-br", "br1"]
    for index in (1, 2):
        for mine, peer in (("a", "b"), ("b", "a")):
            name = f"{mine}{index}"
            words += ["--", "add-port", f"br{'ab'.index(mine)}", name]
            words += ["--", "set", "Interface", name, "type=patch", f"options:peer={peer}{index}"]
    switch.vsctl(*words)
    for bridge in ("br0", "br1"):
        switch.ofctl("add-flow", "priority=9,actions=FLOOD", bridge=bridge)
    plug(switch, "p1", 1)
    assert not pings(1, 2)
    eventually(lambda: "patch-loop" in switch.appctl("drops/show", "json"), "the loop to be counted")
    assert switch.appctl("ofproto/list") == "br0\nbr1"


def test_a_mirror_copies_to_its_port_and_counts(switch: VswitchProcess) -> None:
    switch.vsctl("add-br", "br0")
    plug(switch, "p1", 1)
    plug(switch, "p2", 2)
    plug(switch, "p3", 3)
    eventually(lambda: pings(1, 2), "a ping")
    make = ["--", "--id=@p1", "get", "Port", "p1", "--", "--id=@p3", "get", "Port", "p3"]
    make += ["--", "--id=@m", "create", "Mirror", "name=m", "select_src_port=@p1", "output_port=@p3"]
    subprocess.run(
        [
            "ovs-vsctl",
            f"--db=unix:{switch.directory}/db.sock",
            *make,
            "--",
            "set",
            "Bridge",
            "br0",
            "mirrors=@m",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    eventually(lambda: "tx_packets" in switch.vsctl("get", "Interface", "p3", "statistics"), "statistics")
    count = lambda: int(switch.vsctl("get", "Interface", "p3", "statistics:tx_packets"))  # noqa: E731
    before = count()
    assert pings(1, 2, 5)
    eventually(lambda: count() >= before + 5, f"copies; {before}, {count()}")
    eventually(lambda: "tx_packets" in switch.vsctl("get", "Mirror", "m", "statistics"), "counts")


def test_what_comes_in_too_fast_is_policed_and_counted(switch: VswitchProcess) -> None:
    switch.vsctl("add-br", "br0")
    plug(switch, "p1", 1)
    plug(switch, "p2", 2)
    eventually(lambda: pings(1, 2), "a ping")
    switch.vsctl("set", "Interface", "p1", "ingress_policing_rate=8", "ingress_policing_burst=8")
    command = ["ip", "netns", "exec", WORKLOADS[0], "ping", "-c", "20", "-i", "0.01", "-W", "1", "-s", "900"]
    subprocess.run([*command, "10.0.0.2"], capture_output=True)
    assert '"policed"' in switch.appctl("drops/show", "json")
    switch.vsctl("set", "Interface", "p1", "ingress_policing_rate=0")
    assert pings(1, 2, 5)


def test_the_bridges_own_port_is_a_device_that_pings(switch: VswitchProcess) -> None:
    switch.vsctl("add-br", "br0")
    plug(switch, "p2", 2)
    ip("-n", NODE, "addr", "add", "10.0.0.9/24", "dev", "br0")
    ip("-n", NODE, "link", "set", "br0", "up")
    command = ["ip", "netns", "exec", NODE, "ping", "-c", "1", "-W", "1", "10.0.0.2"]
    eventually(lambda: subprocess.run(command, capture_output=True).returncode == 0, "a ping from the bridge")
    assert switch.vsctl("get", "Interface", "br0", "ofport") == "65534"


def test_a_bond_uses_another_member_when_the_active_one_loses_its_link(switch: VswitchProcess) -> None:
    for name in ("m1", "m2"):
        ip("-n", NODE, "link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        for end in (name, f"{name}p"):
            ip("-n", NODE, "link", "set", end, "up")
    switch.vsctl("add-br", "br0", "--", "add-bond", "br0", "bond0", "m1", "m2", "bond_mode=active-backup")
    shown = lambda: switch.appctl("bond/show", "bond0")  # noqa: E731
    eventually(lambda: shown().count(": enabled") == 2, f"both members; {shown()}")
    active = re.search(r"^active member: (m\d)$", shown(), re.M)
    assert active, shown()
    ip("-n", NODE, "link", "set", f"{active[1]}p", "down")
    other = {"m1": "m2", "m2": "m1"}[active[1]]
    eventually(lambda: f"active member: {other}" in shown(), f"the other member; {shown()}")
    mac = json.loads(ip("-n", NODE, "-j", "link", "show", other))[0]["address"]
    eventually(lambda: switch.vsctl("get", "Port", "bond0", "bond_active_slave") == f'"{mac}"', "the column")


def test_packets_wait_until_flows_have_been_restored(switch: VswitchProcess) -> None:
    switch.vsctl("set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
    switch.vsctl("add-br", "br0")
    plug(switch, "p1", 1)
    plug(switch, "p2", 2)
    assert not pings(1, 2)
    switch.vsctl("remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")
    eventually(lambda: pings(1, 2), "a ping once the flows are restored")
