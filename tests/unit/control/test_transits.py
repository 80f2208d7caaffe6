"""Packets for a port on its way, and packets of its device, at both of its nodes."""

from __future__ import annotations

import pytest

from tulle.control import allocate, choose, compile_node, requested_bindings, tunnels_of
from tulle.encap import encapsulations
from tulle.values import (
    Binding,
    Controller,
    Flow,
    Ids,
    LocalPort,
    LogicalPort,
    LogicalSwitch,
    Network,
    Node,
    Output,
    OutputInPort,
    Resubmit,
    TunnelPort,
    pipeline,
)
from tulle.values.moving import Transit

RED = Network(
    "red",
    (LogicalSwitch("lan"),),
    ports=(
        LogicalPort("web", "lan", "02:00:00:00:00:01", node="n2"),
        LogicalPort("db", "lan", "02:00:00:00:00:02", node="n1"),
    ),
)
WEB = LocalPort("red/web")


def flows(kind: str, *transits: Transit, at: str = "n1") -> dict[tuple[int, int, object], Flow]:
    """Those of a node, with the port that is on its way bound here as its agent has it."""
    nodes = {name: Node(name, f"192.0.2.{i}", (kind,)) for i, name in enumerate(("n1", "n2"))}
    chosen = choose(nodes.values(), dict(encapsulations()))
    bindings = [one for one in requested_bindings((RED,), nodes) if one.port != "web"]
    bindings.append(Binding("red", "web", at))
    ids = allocate((RED,), Ids())
    made = compile_node(
        "n1",
        (RED,),
        bindings,
        tunnels_of("n1", chosen, nodes),
        ids,
        dict(encapsulations()),
        transits=transits,
    )
    assert len({one.key for one in made}) == len(made), "no two flows have one key"
    return {one.key: one for one in made if one.owner == "port red/web"}


def actions(found: dict[tuple[int, int, object], Flow], table: int, priority: int) -> list[object]:
    return [
        action
        for (at, rank, _), one in found.items()
        if (at, rank) == (table, priority)
        for action in one.actions
    ]


@pytest.mark.parametrize("kind", ["stt", "geneve", "vxlan"])
def test_what_comes_late_for_a_port_that_left_is_sent_on(kind: str) -> None:
    found = flows(kind, Transit("red", "web", "n2", comes=False))
    for table, priority in ((pipeline.OUTPUT, 95), (pipeline.TUNNEL_DELIVERY, 100)):
        assert actions(found, table, priority) == [Resubmit(pipeline.REDIRECT)]
    assert actions(found, pipeline.REDIRECT, 100)[-1] == Output(TunnelPort("n2", kind))
    assert actions(found, pipeline.REDIRECT, 110)[-1] == OutputInPort(), "its new node had not heard of it"
    assert Output(TunnelPort("n2", kind)) in actions(found, pipeline.OUTPUT, 100), (
        "what begins here goes there"
    )
    assert Resubmit(pipeline.FROM_PORT_ACL) in actions(found, pipeline.PHYSICAL_INGRESS, 100)
    assert Output(WEB) in actions(found, pipeline.DELIVER, 100), (
        "its counter is read when nothing comes any more"
    )


def test_a_port_that_comes_is_delivered_to_by_those_who_send_on_and_by_nobody_else() -> None:
    found = flows("stt", Transit("red", "web", "n2", comes=True, activates=True))
    assert actions(found, pipeline.TUNNEL_DELIVERY, 100) == [Resubmit(pipeline.TO_PORT_ACL)]
    assert Output(TunnelPort("n2", "stt")) in actions(found, pipeline.OUTPUT, 100)
    assert Output(WEB) in actions(found, pipeline.DELIVER, 100)
    told = actions(found, pipeline.PHYSICAL_INGRESS, 100)
    assert isinstance(told[0], Controller) and told[0].reason == "activate"
    assert Resubmit(pipeline.FROM_PORT_ACL) in told, "the packet that moves it goes on"
    quiet = actions(found, pipeline.PHYSICAL_INGRESS, 105)
    assert quiet and not any(isinstance(one, Controller) for one in quiet), "what Linux says by itself"


def test_a_port_that_left_to_a_node_without_a_tunnel_is_still_served() -> None:
    assert flows("stt", Transit("red", "web", "n9", comes=False)) == flows("stt")
