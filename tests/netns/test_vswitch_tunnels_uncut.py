"""Super-frames in tunnels that leave uncut, over a wire that cuts within tunnels, as network cards do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from tunnel_peers import (
    INNER,
    INNER_MTU,
    OURS,
    OUTER,
    THEIRS,
    WORKLOAD,
    add_tunnel,
    captured,
    check_pings,
    dissected,
    drops,
    eventually,
    inside,
    ip,
    joined,
    our_switch,
    transfer,
)
from vswitch_process import VswitchProcess

TAP = "tulleup0"
"""The first TAP device in front of a device of the underlay, as the kernel numbers them."""
SUPER_FRAMES = 100
"""Of the 300 or so that a transfer has, since TCP begins slowly."""
PLAIN = ("tx", "on", "tso", "on", "gso", "on", "gro", "on")
WITHIN_TUNNELS = ("tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation", "tx-gre-segmentation")


@pytest.fixture
def wire() -> Iterator[None]:
    with joined():
        for space in (OURS, THEIRS):
            cut_within_tunnels(space, "on", *PLAIN)
        yield


def cut_within_tunnels(space: str, word: str, *more: str) -> None:
    inside(space, "ethtool", "-K", "u0", *more, *(each for name in WITHIN_TUNNELS for each in (name, word)))


def kernel_peer(version: int) -> None:
    local, remote = OUTER[version][1], OUTER[version][0]
    ends = ["local", local, "remote", remote, "dstport", "4789"]
    ip("-n", THEIRS, "link", "add", "peer0", "type", "vxlan", "id", "77", *ends)
    ip("-n", THEIRS, "link", "set", "peer0", "addrgenmode", "none")
    ip("-n", THEIRS, "addr", "add", f"{INNER[1]}/24", "dev", "peer0")
    ip("-n", THEIRS, "link", "set", "peer0", "mtu", INNER_MTU, "up")


@contextmanager
def peer_of_ours(directory: Path) -> Iterator[VswitchProcess]:
    """Another switch of ours, with a port in its own namespace for a workload."""
    switch = VswitchProcess(directory, THEIRS)
    try:
        switch.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        switch.vsctl(
            "add-port", "br0", "far", "--", "set", "Interface", "far", "type=tap", "ofport_request=1"
        )
        ip("-n", THEIRS, "addr", "add", f"{INNER[1]}/24", "dev", "far")
        ip("-n", THEIRS, "link", "set", "far", "mtu", INNER_MTU, "up")
        yield switch
    finally:
        switch.stop()


def uncut(space: str = OURS) -> int:
    """Super-frames that have been written to the TAP device."""
    return int(inside(space, "cat", f"/sys/class/net/{TAP}/statistics/rx_packets"))


def devices() -> set[str]:
    return {link["ifname"] for link in orjson.loads(ip("-n", OURS, "-j", "link"))}


def connect(switch: VswitchProcess, kind: str, remote: str, **options: str) -> None:
    add_tunnel(switch, "tun", kind, 9, remote_ip=remote, key="77", **options)
    switch.ofctl("add-flow", "in_port=1,actions=output:9")
    switch.ofctl("add-flow", "in_port=9,actions=output:1")


def tunnel(switch: VswitchProcess, kind: str, version: int, **options: str) -> None:
    connect(switch, kind, OUTER[version][1], **options)
    check_pings(WORKLOAD, INNER[1], switch.log.read_text()[-2000:])


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("version", "checksum"),
    [(4, "false"), (4, "true"), (6, "true")],
)
def test_the_kernels_vxlan_takes_what_leaves_uncut(tmp_path: Path, version: int, checksum: str) -> None:
    kernel_peer(version)
    with our_switch(tmp_path / "vs") as switch:
        tunnel(switch, "vxlan", version, csum=checksum)
        before = uncut()
        transfer(WORKLOAD, THEIRS, INNER[1])
        assert uncut() > before + SUPER_FRAMES
        transfer(THEIRS, WORKLOAD, INNER[0])
        lost = drops(switch)
        assert not [reason for reason in lost if reason.startswith(("tunnel-", "device-"))], lost


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(
    ("kind", "options", "whole"),
    [("geneve", {}, True), ("gre", {}, True), ("gre", {"seq": "true"}, False)],
)
def test_two_of_ours_send_to_each_other_uncut_what_a_device_can_cut(
    tmp_path: Path, kind: str, options: dict[str, str], whole: bool
) -> None:
    with our_switch(tmp_path / "vs") as switch, peer_of_ours(tmp_path / "far") as far:
        connect(far, kind, OUTER[4][0], **options)
        tunnel(switch, kind, 4, **options)
        transfer(WORKLOAD, THEIRS, INNER[1])
        transfer(THEIRS, WORKLOAD, INNER[0])
        for space in (OURS, THEIRS):
            assert (uncut(space) > SUPER_FRAMES) == whole
        for one in (switch, far):
            lost = drops(one)
            assert not [reason for reason in lost if reason.startswith(("tunnel-", "device-"))], lost


@pytest.mark.slow
@pytest.mark.usefixtures("wire")
def test_super_frames_look_on_the_wire_as_others_do(tmp_path: Path) -> None:
    """DSCP, TTL, and an outer source port that is one inner flow's."""
    kernel_peer(4)
    with our_switch(tmp_path / "vs") as switch:
        tunnel(switch, "vxlan", 4, tos="0x20", ttl="9")
        file = tmp_path / "wire.pcap"
        with captured(OURS, file):
            transfer(WORKLOAD, THEIRS, INNER[1])
    long = f"vxlan && frame.len>2000 && ip.src=={OUTER[4][0]}"
    assert not dissected(file, f"({long}) && _ws.malformed", "frame.number")
    looks = dissected(file, long, "ip.ttl", "ip.dsfield.dscp", "ip.flags.df", "vxlan.vni")
    assert {tuple(field.split(",")[0] for field in row) for row in looks} == {("9", "8", "1", "77")}
    ports = dissected(file, long, "udp.srcport", "tcp.srcport")
    outer = {row[0].split(",")[0] for row in ports}
    assert len(outer) == len({row[1] for row in ports}), "one for each inner flow"


@pytest.mark.slow
@pytest.mark.usefixtures("wire")
def test_a_device_that_no_longer_cuts_within_tunnels_gets_trains_again(tmp_path: Path) -> None:
    kernel_peer(4)
    with our_switch(tmp_path / "vs") as switch:
        tunnel(switch, "vxlan", 4)
        cut_within_tunnels(OURS, "off")

        def leaves_uncut() -> bool:
            before = uncut()
            transfer(WORKLOAD, THEIRS, INNER[1])
            return uncut() > before

        eventually(lambda: not leaves_uncut(), "trains")
        cut_within_tunnels(OURS, "on")
        eventually(leaves_uncut, "super-frames again")


@pytest.mark.usefixtures("wire")
def test_without_its_tap_device_tunnels_go_on_and_nothing_of_it_stays(tmp_path: Path) -> None:
    kernel_peer(4)
    with our_switch(tmp_path / "vs") as switch:
        tunnel(switch, "vxlan", 4)
        assert TAP in devices()
        ip("-n", OURS, "link", "del", TAP)
        transfer(WORKLOAD, THEIRS, INNER[1])
        assert TAP not in devices()
        lost = drops(switch)
        assert lost.get("device-failed", 0) >= 1, "the one by which it was noticed is counted"


@pytest.mark.usefixtures("wire")
def test_no_tap_device_outlives_a_switch_that_is_killed(tmp_path: Path) -> None:
    kernel_peer(4)
    with our_switch(tmp_path / "vs") as switch:
        tunnel(switch, "vxlan", 4)
        assert TAP in devices()
        eventually(lambda: capability(switch, "u0/udp-tunnel-segmentation") == "yes", "a look at the wire")
        assert capability(switch, "tunnel-tap") == "yes"
    eventually(lambda: TAP not in devices(), "the TAP device to go")


def capability(switch: VswitchProcess, name: str) -> str | None:
    """What the switch has found out about kernel and wire, as `tulle node show` has it."""
    words = ["get", "Open_vSwitch", ".", "external_ids:tulle-capabilities"]
    text = switch.vsctl("--if-exists", *words)
    return orjson.loads(orjson.loads(text)).get(name) if text else None
