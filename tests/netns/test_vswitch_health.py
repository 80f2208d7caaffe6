"""BFD on tunnels, with Debian's Open vSwitch at the far end: what both see, and what follows when the wire is cut."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tunnel_peers import (
    INNER,
    OURS,
    OUTER,
    THEIRS,
    WORKLOAD,
    add_tunnel,
    captured,
    check_pings,
    debian_switch,
    dissected,
    eventually,
    inside,
    ip,
    joined,
    our_switch,
)
from vswitch_process import VswitchProcess

FAST = ("bfd:enable=true", "bfd:min_rx=200", "bfd:min_tx=200")
MOST_S = 10.0
"""The detection time (0.6 s), and what tools take on a machine that is busy."""
WRONG = "_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0 || _ws.expert.severity==error"


@pytest.fixture
def wire() -> Iterator[None]:
    with joined():
        # Debian's switch answers for its bridge; the kernel must not, for the device, after that has been down.
        inside(THEIRS, "sysctl", "-qw", "net.ipv4.conf.u0.arp_ignore=8")
        yield


def status(switch: VswitchProcess, name: str = "tun") -> dict[str, str]:
    """The column `bfd_status`."""
    text = switch.vsctl("get", "Interface", name, "bfd_status").strip("{}")
    pairs = (pair.split("=") for pair in text.split(", ") if pair)
    return {key: value.strip('"') for key, value in pairs}


def is_up(switch: VswitchProcess) -> bool:
    found = status(switch)
    return (found.get("state"), found.get("remote_state"), found.get("forwarding")) == ("up", "up", "true")


def is_live(switch: VswitchProcess, port: str) -> bool:
    """Whether OpenFlow says so."""
    lines = switch.ofctl("dump-ports-desc").splitlines()
    at = next(index for index, line in enumerate(lines) if f"({port})" in line)
    return "LIVE" in next(line for line in lines[at:] if "state:" in line)


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize("kind", ["geneve", pytest.param("vxlan", marks=pytest.mark.slow)])
def test_debians_open_vswitch_and_ours_watch_a_tunnel_together(tmp_path: Path, kind: str) -> None:
    with our_switch(tmp_path / "vs") as switch, debian_switch(tmp_path / "debian") as debian:
        add_tunnel(switch, "tun", kind, 9, remote_ip=OUTER[4][1], key="77")
        add_tunnel(debian, "tun", kind, 9, remote_ip=OUTER[4][0], key="77", local_ip=OUTER[4][1])
        switch.ofctl("add-flow", "in_port=1,actions=output:9")
        switch.ofctl("add-flow", "in_port=9,actions=output:1")
        debian.ofctl("add-flow", "in_port=LOCAL,actions=output:9")
        debian.ofctl("add-flow", "in_port=9,actions=LOCAL")
        assert status(switch) == {}
        file = tmp_path / "wire.pcap"
        with captured(OURS, file):
            switch.vsctl("set", "Interface", "tun", *FAST)
            eventually(lambda: status(switch).get("state") == "down", "a session without a far end")
            assert not is_live(switch, "tun")
            debian.vsctl("set", "Interface", "tun", *FAST)
            eventually(lambda: is_up(switch), f"ours to see it up; {switch.appctl('bfd/show')}")
            eventually(lambda: is_up(debian), f"Debian's to see it up; {debian.appctl('bfd/show', 'tun')}")  # type: ignore[arg-type]
            assert is_live(switch, "tun")
            check_pings(WORKLOAD, INNER[1])
        shown = switch.appctl("bfd/show", "tun")
        assert "Local Session State: up" in shown, shown
        assert "TX Interval: Approx 200ms" in shown, shown
        flaps = int(status(switch)["flap_count"])
        ip("-n", THEIRS, "link", "set", "u0", "down")
        until = time.monotonic() + MOST_S
        eventually(lambda: status(switch).get("state") == "down", "the cut to be noticed")
        assert time.monotonic() < until, "much later than the detection time"
        assert status(switch)["diagnostic"] == "Control Detection Time Expired"
        assert not is_live(switch, "tun")
        ip("-n", THEIRS, "link", "set", "u0", "up")
        eventually(lambda: is_up(switch), f"it to come back; {switch.appctl('bfd/show')}")
        eventually(lambda: is_up(debian), "it to come back at the other end")  # type: ignore[arg-type]
        assert int(status(switch)["flap_count"]) == flaps + 2
        check_pings(WORKLOAD, INNER[1])
        switch.vsctl("set", "Interface", "tun", "bfd:enable=false")
        eventually(lambda: status(switch) == {}, "no session")
        assert is_live(switch, "tun")
    fields = ("bfd.version", "bfd.detect_time_multiplier", "bfd.message_length", "ip.ttl", "eth.dst")
    ours = f"bfd && ip.src=={OUTER[4][0]}"
    assert dissected(file, f"{ours} && bfd.sta==3", *fields[:3]) == {("1", "3", "24")}
    assert {row[0].split(",")[1] for row in dissected(file, ours, "ip.ttl")} == {"255"}
    assert {row[0].split(",")[1] for row in dissected(file, ours, "eth.dst")} == {"00:23:20:00:00:01"}
    assert not dissected(file, f"({ours}) && ({WRONG})", "frame.number", "_ws.expert.message")


@pytest.mark.usefixtures("wire")
def test_a_group_leaves_a_tunnel_that_does_not_work_and_comes_back(tmp_path: Path) -> None:
    group = "group_id=1,type=ff,bucket=watch_port:9,actions=output:9,bucket=watch_port:1,actions=output:LOCAL"
    with our_switch(tmp_path / "vs") as switch:
        add_tunnel(switch, "tun", "geneve", 9, remote_ip=OUTER[4][1], key="77")
        ip("-n", OURS, "link", "set", "br0", "up")
        switch.ofctl("add-group", group)
        switch.ofctl("add-flow", "in_port=1,actions=group:1")

        def goes_to(port: str) -> bool:
            return f"Datapath actions: output:{port}\n" in switch.appctl("ofproto/trace", "br0", "in_port=1")

        eventually(lambda: goes_to("9"), switch.appctl("ofproto/trace", "br0", "in_port=1"))
        switch.vsctl("set", "Interface", "tun", *FAST)
        eventually(lambda: not goes_to("9"), "the tunnel to be left")
        assert switch.appctl("bfd/set-forwarding", "tun", "true") == "OK"
        eventually(lambda: goes_to("9"), "the tunnel to be used, as somebody says so")
        assert status(switch)["forwarding"] == "true"
        assert switch.appctl("bfd/set-forwarding", "normal") == "OK"
        eventually(lambda: not goes_to("9"), "the tunnel to be left again")
        switch.vsctl("remove", "Interface", "tun", "bfd", "enable")
        eventually(lambda: goes_to("9"), "a tunnel that nobody watches is live")


@pytest.mark.usefixtures("wire")
def test_tenants_cannot_speak_for_the_far_end_where_keys_are_checked(tmp_path: Path) -> None:
    """A packet of BFD with a tenant's key goes through the tables; it must not reach the session."""
    with our_switch(tmp_path / "vs") as switch, debian_switch(tmp_path / "debian") as debian:
        add_tunnel(switch, "tun", "geneve", 9, remote_ip=OUTER[4][1], key="flow")
        add_tunnel(debian, "tun", "geneve", 9, remote_ip=OUTER[4][0], key="77", local_ip=OUTER[4][1])
        switch.ofctl("add-flow", "in_port=9,tun_id=77,udp,tp_dst=3784,actions=output:1")
        switch.vsctl("set", "Interface", "tun", *FAST, "bfd:check_tnl_key=true")
        debian.vsctl("set", "Interface", "tun", *FAST)

        def reached() -> bool:
            return "n_packets=0" not in switch.ofctl("dump-flows").splitlines()[-1]

        eventually(reached, "Debian's packets in the tables")
        assert status(switch)["state"] == "down"
        switch.vsctl("remove", "Interface", "tun", "bfd", "check_tnl_key")
        eventually(lambda: status(switch)["state"] == "init", "the packets to be taken")
