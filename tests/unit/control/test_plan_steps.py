"""The order of steps."""

from __future__ import annotations

from tulle.control import plan
from tulle.values import (
    AddFlow,
    AddTunnel,
    DeleteFlow,
    Flow,
    ModifyFlow,
    ModifyTunnel,
    NodeState,
    Output,
    RemoveTunnel,
    Resubmit,
    TunnelInterface,
    TunnelPort,
    fields,
    flow,
)

TUNNEL = TunnelInterface("node2", "192.0.2.2", "stt")


def entry(table: int, *actions: Resubmit | Output, owner: str = "x") -> Flow:
    return flow(table, 1, fields(metadata=1), actions, owner)


def test_what_is_used_comes_first_and_goes_last() -> None:
    full = NodeState((TUNNEL,), (), (entry(0, Resubmit(30)), entry(30, Output(TunnelPort("node2", "stt")))))
    up = plan(NodeState(), full)
    assert up == [AddTunnel(TUNNEL), AddFlow(full.flows[1]), AddFlow(full.flows[0])]
    down = plan(full, NodeState())
    assert down == [DeleteFlow(full.flows[0]), DeleteFlow(full.flows[1]), RemoveTunnel(TUNNEL)]


def test_only_what_differs_is_touched() -> None:
    before = NodeState((TUNNEL,), (), (entry(0, Resubmit(10)), entry(10)))
    other = TunnelInterface("node2", "192.0.2.2", "vxlan")
    after = NodeState((other,), (), (entry(0, Resubmit(11)), entry(10)))
    assert plan(before, after) == [AddTunnel(other), ModifyFlow(after.flows[0]), RemoveTunnel(TUNNEL)]
    assert plan(after, after) == []


def test_a_tunnel_to_another_address_is_modified() -> None:
    moved = TunnelInterface("node2", "192.0.2.9", "stt")
    assert plan(NodeState((TUNNEL,)), NodeState((moved,))) == [ModifyTunnel(moved)]


def test_a_flow_of_another_owner_is_modified() -> None:
    before = NodeState(flows=(entry(0, owner="acl red/a"),))
    after = NodeState(flows=(entry(0, owner="acl red/b"),))
    assert plan(before, after) == [ModifyFlow(after.flows[0])]
