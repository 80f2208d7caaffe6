"""Texts that name controllers, packets and messages."""

from __future__ import annotations

import pytest

from tulle.errors import InvalidInput
from tulle.vswitch import datapath_flow
from tulle.vswitch.configuration import wire_versions
from tulle.vswitch.rows_controller import parse_target


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("tcp:192.0.2.1", "tcp:192.0.2.1:6653"),
        ("tcp:192.0.2.1:6633", "tcp:192.0.2.1:6633"),
        ("ssl:[2001:db8::1]", "ssl:[2001:db8::1]:6653"),
        ("ssl:[2001:db8::1]:7", "ssl:[2001:db8::1]:7"),
        ("ptcp:", "ptcp:6653:127.0.0.1"),
        ("ptcp:6654", "ptcp:6654:127.0.0.1"),
        ("ptcp:6654:0.0.0.0", "ptcp:6654:0.0.0.0"),
        ("unix:/run/c.sock", "unix:/run/c.sock"),
        ("punix:c.sock", "punix:c.sock"),
    ],
)
def test_a_target_without_a_port_has_openflows(text: str, whole: str) -> None:
    assert str(parse_target(text)) == whole


@pytest.mark.parametrize("text", ["", "tcp:", "pear:1", "tcp:a:b", "ptcp:70000", "udp:192.0.2.1"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_target(text)


def test_only_versions_that_are_spoken_are_agreed_on() -> None:
    assert wire_versions(()) is None
    assert wire_versions(("OpenFlow10", "OpenFlow12", "OpenFlow13")) == [1, 4]
    assert wire_versions(("OpenFlow12",)) is None


def test_a_datapath_flow_becomes_a_flow_of_ovs_ofctl() -> None:
    text = "recirc_id(0),in_port(3),eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02),eth_type(0x8100),"
    text += (
        "vlan(vid=5,pcp=0),encap(eth_type(0x0800),ipv4(src=10.0.0.1/255.0.0.0,dst=10.0.0.2,proto=17,frag=no),"
    )
    text += "udp(src=1,dst=2))"
    assert datapath_flow.is_one(text)
    assert datapath_flow.openflow(text) == (
        "in_port=3,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,dl_type=0x8100,dl_vlan=5,dl_vlan_pcp=0,"
        "dl_type=0x0800,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_proto=17,udp_src=1,udp_dst=2"
    )


@pytest.mark.parametrize("text", ["in_port(1", "pear(1)", "in_port(1)x", "(1)"])
def test_what_is_no_datapath_flow_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        datapath_flow.openflow(text)
