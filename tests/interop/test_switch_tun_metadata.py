"""Geneve options with Debian's ovs-ofctl: the same commands on Debian's switch and on ours say the same."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from switch_debian import DebianSwitch
from vswitch_process import VswitchProcess, ip

MAP = ",".join(
    (
        "{class=0xffff,type=0,len=4}->tun_metadata0",
        "{class=0xffff,type=0x81,len=20}->tun_metadata1",
        "{class=1,type=3,len=8}->tun_metadata2",
    )
)
FLOWS = (
    "priority=30,tun_metadata0=5,actions=drop",
    "priority=29,tun_metadata0,actions=drop",
    "priority=28,tun_metadata0=0,actions=drop",
    "priority=27,tun_metadata0=0x12/0xff,actions=drop",
    "priority=26,tun_metadata0=0x1234/0xff00ff,actions=drop",
    "priority=25,tun_metadata2=0x1/0xffffffff,tun_metadata1,actions=drop",
    "priority=24,tun_metadata1=0x112233445566778899aabbccddeeff0011223344,actions=drop",
    "priority=23,actions=set_field:0x1234->tun_metadata0,set_field:0x12/0xff->tun_metadata2",
    "priority=22,actions=move:tun_metadata0[0..31]->reg0[],load:0x5->tun_metadata0[4..7]",
    "priority=21,actions=push:tun_metadata0[0..31],pop:tun_metadata2[0..31]",
    "priority=20,actions=move:tun_metadata1[0..159]->tun_metadata1[0..159],output:tun_metadata0[0..15]",
    "priority=19,actions=learn(table=2,tun_metadata0[0..31],load:tun_metadata2[0..15]->reg3[0..15])",
)
REFUSED = (
    ("add-tlv-map", "{class=0xffff,type=0,len=8}->tun_metadata3", "NXTTMFC_DUP_ENTRY"),
    ("add-tlv-map", "{class=9,type=9,len=8}->tun_metadata0", "NXTTMFC_ALREADY_MAPPED"),
    ("add-tlv-map", "{class=9,type=9,len=3}->tun_metadata9", "NXTTMFC_BAD_OPT_LEN"),
    ("add-tlv-map", "{class=9,type=9,len=4}->tun_metadata64", "NXTTMFC_BAD_FIELD_IDX"),
    ("add-flow", "tun_metadata9=1,actions=drop", "NXFMFC_INVALID_TLV_FIELD"),
    ("add-flow", "actions=set_field:1->tun_metadata9", "NXFMFC_INVALID_TLV_FIELD"),
    ("add-flow", "actions=move:tun_metadata9[0..3]->reg0[0..3]", "NXFMFC_INVALID_TLV_FIELD"),
    ("del-tlv-map", "{class=0xffff,type=0,len=4}->tun_metadata0", "NXTTMFC_INVALID_TLV_DEL"),
    ("del-tlv-map", "", "NXTTMFC_INVALID_TLV_DEL"),
)
VERSIONS = ("OpenFlow10", "OpenFlow13", "OpenFlow15")


class Peer(Protocol):
    """A switch of either kind."""

    directory: Path

    def run(self, *arguments: str) -> str: ...


@contextmanager
def namespace(kind: str) -> Iterator[str]:
    """Each switch has a device br0, so each has a namespace of its own."""
    name = f"tulle-tlv-{kind}-{os.getpid()}"
    ip("netns", "add", name)
    try:
        yield name
    finally:
        ip("netns", "delete", name)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[VswitchProcess]:
    with namespace("ours") as name:
        process = VswitchProcess(tmp_path / "ours", name)
        try:
            process.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "fail_mode=secure")
            yield process
        finally:
            process.stop(signal.SIGKILL)


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[DebianSwitch]:
    with namespace("debian") as name:
        switch = DebianSwitch(tmp_path / "debian", name)
        try:
            switch.add_bridge("br0", "fail_mode=secure", "protocols=OpenFlow10,OpenFlow13,OpenFlow15")
            yield switch
        finally:
            switch.stop()


def ofctl(switch: Peer, version: str, command: str, *arguments: str) -> str:
    return switch.run("ovs-ofctl", "-O", version, command, f"unix:{switch.directory}/br0.mgmt", *arguments)


def said(switch: Peer) -> list[str]:
    """What `ovs-ofctl` prints of a switch with the map and the flows, in every version."""
    first = VERSIONS[0]
    ofctl(switch, first, "add-tlv-map", MAP)
    for table, version in enumerate(VERSIONS):
        for flow in FLOWS:
            ofctl(switch, version, "add-flow", f"table={table},{flow}")
    found = [ofctl(switch, version, "dump-flows", "--no-stats") for version in VERSIONS]
    found += [ofctl(switch, version, "dump-flows", "--no-stats", "tun_metadata0=5") for version in VERSIONS]
    lines = [line for text in found for line in sorted(text.splitlines()) if "reply" not in line]
    mapped = ofctl(switch, first, "dump-tlv-map").splitlines()
    return lines + [line for line in mapped if line.strip().startswith(("0x", "allocated"))]


def test_flows_and_map_are_printed_as_debians_switch_prints_them(
    ours: VswitchProcess, debian: DebianSwitch
) -> None:
    lines = said(ours)
    assert lines == said(debian)
    assert any("tun_metadata0=0x34/0xff00ff" in line for line in lines), lines


def test_a_change_that_cannot_be_gets_the_error_of_open_vswitch(
    ours: VswitchProcess, debian: DebianSwitch
) -> None:
    for switch in (ours, debian):
        ofctl(switch, "OpenFlow13", "add-tlv-map", MAP)
        ofctl(switch, "OpenFlow13", "add-flow", FLOWS[0])
        for command, argument, error in REFUSED:
            with pytest.raises(AssertionError, match=error):
                ofctl(switch, "OpenFlow13", command, *filter(None, [argument]))
        ofctl(switch, "OpenFlow13", "del-flows")
        ofctl(switch, "OpenFlow13", "del-tlv-map")
        assert "tun_metadata0" not in ofctl(switch, "OpenFlow13", "dump-tlv-map")


def test_a_restarted_switch_has_its_map_and_the_flows_that_use_it(ours: VswitchProcess) -> None:
    ofctl(ours, "OpenFlow13", "add-tlv-map", MAP)
    ofctl(ours, "OpenFlow13", "add-flow", "tun_metadata1=0x55,actions=set_field:1->tun_metadata0,output:1")
    before = ofctl(ours, "OpenFlow13", "dump-flows", "--no-stats"), ofctl(ours, "OpenFlow13", "dump-tlv-map")
    ours.stop(signal.SIGTERM)
    ours.start()
    after = ofctl(ours, "OpenFlow13", "dump-flows", "--no-stats"), ofctl(ours, "OpenFlow13", "dump-tlv-map")
    assert after == before


def test_a_trace_takes_tun_metadata(ours: VswitchProcess) -> None:
    ofctl(ours, "OpenFlow13", "add-tlv-map", MAP)
    ofctl(ours, "OpenFlow13", "add-flow", "tun_metadata0=5,actions=set_field:7->tun_metadata2,LOCAL")
    text = ours.run(
        "ovs-appctl", "-t", f"{ours.directory}/vswitchd.ctl", "ofproto/trace", "br0", "tun_metadata0=5"
    )
    assert "class=0x1,type=0x3,len=8,0x0000000000000007" in text, text
