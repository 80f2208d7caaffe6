"""Packets of senders that have not heard yet where a port is, through the flows of all nodes."""

from __future__ import annotations

import pytest
from fabric import Fabric, packet, ports_of

from tulle.control import choose, compile_node, placement, tunnels_of
from tulle.encap import encapsulations
from tulle.logical import compile_network
from tulle.values import Binding, LabFile, LogicalPort, LogicalSwitch, Network, Node
from tulle.values.moving import Transit

WEB_MAC, DB_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
RED = Network(
    "red",
    (LogicalSwitch("lan", ("10.0.0.0/24",)),),
    ports=(
        LogicalPort("web", "lan", WEB_MAC, ("10.0.0.1",), node="old"),
        LogicalPort("db", "lan", DB_MAC, ("10.0.0.2",), node="third"),
    ),
)
KINDS = ["stt", "geneve", "vxlan"]
TO_WEB = packet(
    dl_src=DB_MAC, dl_dst=WEB_MAC, dl_type=0x800, nw_src="10.0.0.2", nw_dst="10.0.0.1", nw_proto=17
)
TO_DB = packet(
    dl_src=WEB_MAC, dl_dst=DB_MAC, dl_type=0x800, nw_src="10.0.0.1", nw_dst="10.0.0.2", nw_proto=17
)


def nodes(kind: str) -> dict[str, Node]:
    return {name: Node(name, f"192.0.2.{i}", (kind,)) for i, name in enumerate(("new", "old", "third"))}


def moving(kind: str, **seen: tuple[str, tuple[Transit, ...]]) -> Fabric:
    """All nodes take the port for being at the old one, but those in `seen`: where they have it, and transits."""
    fabric = Fabric(LabFile((RED,), tuple(nodes(kind).values())))
    chosen = choose(nodes(kind).values(), dict(encapsulations()))
    for node, (at, transits) in seen.items():
        place = placement(node, (RED,), [Binding("red", "web", at), Binding("red", "db", "third")])
        tunnels = tunnels_of(node, chosen, nodes(kind))
        placed = compile_node(
            node, place.networks, place.bindings, tunnels, fabric.ids, fabric.known, transits=transits
        )
        fabric.flows[node] = [
            *placed,
            *(one for it in place.networks for one in compile_network(it, fabric.ids)),
        ]
    return fabric


@pytest.mark.parametrize("kind", KINDS)
def test_the_old_node_sends_on_to_the_node_that_has_the_port(kind: str) -> None:
    left = (Transit("red", "web", "new", comes=False),)
    fabric = moving(kind, old=("old", left), new=("new", ()))
    got = fabric.send("red/db", TO_WEB)
    assert ports_of(got.delivered) == ["red/web"]
    assert [(a, b) for a, b, _ in got.tunnels] == [("third", "old"), ("old", "new")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_waits_delivers_what_is_sent_on_and_sends_to_the_old_one(kind: str) -> None:
    waits = (Transit("red", "web", "old", comes=True),)
    left = (Transit("red", "web", "new", comes=False),)
    fabric = moving(kind, old=("old", left), new=("new", waits))
    assert ports_of(fabric.send("red/db", TO_WEB).delivered) == ["red/web"]
    fabric = moving(kind, new=("new", waits))
    fabric.homes["red/web"] = "old"
    got = fabric.send("red/db", TO_WEB)
    assert [(a, b) for a, b, _ in got.tunnels] == [("third", "old")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_packet_at_a_prepared_node_is_heard_of_and_goes_on(kind: str) -> None:
    fabric = moving(kind, new=("new", (Transit("red", "web", "old", comes=True, activates=True),)))
    fabric.homes["red/web"] = "new"
    got = fabric.send("red/web", TO_DB)
    assert got.punted == ["activate"] and ports_of(got.delivered) == ["red/db"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_old_node_still_gets_from_the_device_goes_on(kind: str) -> None:
    fabric = moving(kind, old=("old", (Transit("red", "web", "new", comes=False),)), new=("new", ()))
    assert ports_of(fabric.send("red/web", TO_DB).delivered) == ["red/db"]
