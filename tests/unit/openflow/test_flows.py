"""Flows become text that the native parser takes, and differences become the fewest changes."""

from __future__ import annotations

import pytest

from tulle._native import canonical_flow
from tulle.openflow import changes, emit_flow, flow_key, flow_texts
from tulle.openflow.flows import FlowTexts, flow_cookie, flow_table
from tulle.values import (
    Controller,
    DecTtl,
    FieldMatch,
    Flow,
    LocalPort,
    Move,
    Output,
    OutputInPort,
    Resubmit,
    SetField,
    Slice,
    TunnelPort,
    fields,
)

PORTS = {LocalPort("red/web1"): 3, TunnelPort("node2", "stt"): 7}


def made(*actions, match=(), table=0, cookie=0x2A) -> Flow:
    return Flow(table, 100, match, actions, cookie, "port red/web1")


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (
            made(SetField("metadata", 5), Resubmit(10), match=fields(in_port=LocalPort("red/web1"))),
            "cookie=0x2a,table=0,priority=100,in_port=3 actions=set_field:0x5->metadata,resubmit(,10)",
        ),
        (
            made(
                Move(Slice("tun_id", 24, 16), Slice("reg15", 0, 16)),
                DecTtl(),
                Output(TunnelPort("node2", "stt")),
                OutputInPort(),
                match=fields((FieldMatch("reg10", 0, 1),), dl_type=0x800, nw_dst="10.0.1.5"),
            ),
            "cookie=0x2a,table=0,priority=100,ip,reg10=0x0/0x1,nw_dst=10.0.1.5 "
            "actions=move:tun_id[24..39]->reg15[0..15],dec_ttl,output:7,IN_PORT",
        ),
        (made(Controller("ttl-exceeded")), "cookie=0x2a,table=0,priority=100 actions=CONTROLLER:65535"),
        (made(), "cookie=0x2a,table=0,priority=100 actions=drop"),
        (
            made(SetField("ipv6_src", "fd00::1"), match=fields(dl_type=0x86DD, nw_proto=58, icmpv6_type=135)),
            "cookie=0x2a,table=0,priority=100,icmp6,icmpv6_type=135 actions=set_field:fd00::1->ipv6_src",
        ),
    ],
)
def test_a_flow_becomes_its_canonical_text(flow: Flow, text: str) -> None:
    emitted = emit_flow(flow, PORTS)
    assert emitted is not None
    canonical = canonical_flow(emitted)
    head, actions = text.split(" actions=")
    assert canonical.split(" actions=")[1] == actions, canonical
    assert sorted(canonical.split(" ")[0].split(",")) == sorted(head.split(",")), canonical


def test_a_flow_from_a_port_that_is_not_there_is_left_out() -> None:
    assert emit_flow(made(match=fields(in_port=LocalPort("red/other"))), PORTS) is None


def test_an_output_to_a_tunnel_that_is_not_there_is_left_out_of_a_flow_that_has_more_to_do() -> None:
    flow = made(Output(TunnelPort("node9", "stt")), Resubmit(40))
    assert emit_flow(flow, PORTS) == "cookie=0x2a,table=0,priority=100 actions=resubmit(,40)"


def test_of_two_tunnels_to_a_node_the_switch_takes_the_first_that_works() -> None:
    flow = made(Output(TunnelPort("node2", "stt")))
    second = {TunnelPort("node2", "stt", second=True): 8}
    (both,) = flow_texts([flow], PORTS | second, canonical_flow).values()
    assert "bundle(eth_src,0,active_backup,ofport,members:7,8)" in both
    for ports, number in ((PORTS, 7), (second, 8)):
        (one,) = flow_texts([flow], ports, canonical_flow).values()
        assert one.endswith(f" actions=output:{number}")
    (local,) = flow_texts([made(Output(LocalPort("red/web1")))], PORTS | second, canonical_flow).values()
    assert local.endswith(" actions=output:3")


def test_of_two_tunnels_that_nobody_has_heard_yet_the_first_is_used_as_before() -> None:
    flow, first = made(Output(TunnelPort("node2", "stt"))), TunnelPort("node2", "stt")
    ports = PORTS | {TunnelPort("node2", "stt", second=True): 8}
    (text,) = flow_texts([flow], ports, canonical_flow, {first}).values()
    assert text.endswith(" actions=output:7")
    (text,) = flow_texts([flow], ports, canonical_flow, {TunnelPort("node3", "stt")}).values()
    assert "bundle(" in text


def test_key_cookie_and_table_are_read_from_canonical_text() -> None:
    text = canonical_flow("cookie=0x2a,table=12,priority=7,in_port=1,actions=output:2")
    assert flow_key(text) == "table=12,priority=7,in_port=1"
    assert (flow_cookie(text), flow_table(text)) == (0x2A, 12)
    bare = canonical_flow("actions=drop")
    assert (flow_cookie(bare), flow_table(bare), flow_key(bare)) == (0, 0, "table=0,priority=32768")


def by_key(*texts: str) -> dict[str, str]:
    return {flow_key(text): text for text in map(canonical_flow, texts)}


def test_equal_tables_need_no_change() -> None:
    table = by_key("table=1,actions=drop", "table=2,in_port=1,actions=output:2")
    assert changes(table, dict(table)).commands == []


def test_another_action_is_a_modification_and_another_cookie_is_an_addition() -> None:
    old = by_key("cookie=1,table=1,actions=drop", "cookie=1,table=2,actions=drop", "table=3,actions=drop")
    new = by_key("cookie=1,table=1,actions=output:2", "cookie=2,table=2,actions=drop", "table=4,actions=drop")
    commands = changes(old, new).commands
    assert [command for command, _ in commands] == ["add", "modify-strict", "delete-strict"]
    assert commands[1][1] == ("cookie=0x1,table=1,priority=32768 actions=output:2",)
    assert commands[2][1] == ("table=3,priority=32768",)
    assert len(commands[0][1]) == 2


def test_texts_are_found_by_their_keys() -> None:
    flows = [made(match=fields(in_port=LocalPort("red/web1"))), made(table=5)]
    assert set(flow_texts(flows, PORTS, canonical_flow)) == {
        "table=0,priority=100,in_port=3",
        "table=5,priority=100",
    }


def test_texts_that_are_kept_are_those_made_anew() -> None:
    web, there = fields(in_port=LocalPort("red/web1")), Output(TunnelPort("node2", "stt"))
    steps = [
        ([made(there, match=web), made(there, table=41)], PORTS),
        ([made(there, table=41), made(Resubmit(10), match=web)], PORTS),
        ([made(there, table=41), made(there, match=web)], {LocalPort("red/web1"): 4}),
        ([made(there, table=41), made(there, match=web)], {}),
    ]
    texts = FlowTexts()
    for flows, ports in steps:
        texts.begin(ports, frozenset())
        assert texts.of(iter(flows), canonical_flow) == flow_texts(flows, ports, canonical_flow)
        texts.end()
