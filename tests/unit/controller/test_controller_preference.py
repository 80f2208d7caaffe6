"""Orders of encapsulations: what users say, what the controller makes of it, and what it tells."""

from __future__ import annotations

from typing import Any

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.listing import Listing
from tulle.controller.progress import behind
from tulle.errors import InvalidInput, NotFound
from tulle.values import NodeReport, Tunnel, TunnelEnd


def ready() -> Cores:
    """The example, with tunnels in use between node1 and node2."""
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES, applied={"red": 1, "blue": 1})
    cores.bind_all()
    report(cores)
    return cores


def between(cores: Cores) -> Tunnel:
    found = store.tunnels(cores.state_rows)[0]
    assert isinstance(found, Tunnel) and (found.local, found.remote) == ("node1", "node2")
    return found


def report(cores: Cores, *nodes: str) -> None:
    """Both agents, or these, do as the row says, and say so."""
    row = between(cores)
    sends = tuple({row.encapsulation, *row.networks.values()})
    receives = tuple({*sends, *row.coming.values(), *row.leaving})
    for node, remote in (("node1", "node2"), ("node2", "node1")):
        if nodes and node not in nodes:
            continue
        end = TunnelEnd(node, remote, row.generation, receives, sends)
        cores.write_state(lambda w, end=end: store.write_tunnel_ends(w, cores.state_rows, end.node, [end]))


def late(cores: Cores, **wanted: int) -> list[str]:
    return [str(one) for one in behind(cores.intent_rows, cores.state_rows, wanted)]


def lines(cores: Cores) -> list[tuple[Any, ...]]:
    listing = Listing(cores.intent_rows, cores.state_rows, lambda _: True)
    columns = ("network", "encapsulation", "coming", "reason")
    found = [one for one in listing.tunnels() if one["remote"] == "node2"]
    return [tuple(one[name] for name in columns) for one in found]


def test_a_network_changes_in_steps_that_both_ends_report():
    cores = ready()
    assert cores.intent.prefer("red", ("vxlan",)).generations == {"red": 2}
    assert between(cores).coming == {"red": "vxlan"}
    assert lines(cores) == [
        ("", "stt", None, "first choice of both"),
        ("red", "stt", "vxlan", "first choice of red"),
    ]
    cores.register(*NODES, applied={"red": 2, "blue": 1})
    assert late(cores, red=2) == ["node1: the tunnel to node2 goes from stt to vxlan for red"]
    assert late(cores, blue=1) == ["node1: the tunnel to node2 is changing"]
    report(cores)
    assert (between(cores).networks, between(cores).coming) == ({"red": "vxlan"}, {})
    assert late(cores, red=2) == ["node1: the tunnel to node2 is changing"]
    report(cores)
    assert late(cores, red=2) == []


def test_nobody_waits_for_the_agent_of_a_release_that_reports_nothing():
    cores = ready()
    node1, node2 = NODES[:2]
    cores.write_state(lambda w: store.write_tunnel_ends(w, cores.state_rows, "node2", []))
    cores.write_state(lambda w: store.write_node(w, cores.state_rows, node1, {"red": 1}, NodeReport()))
    assert late(cores, red=1) == []
    cores.write_state(lambda w: store.write_node(w, cores.state_rows, node2, {"red": 1}, NodeReport()))
    assert late(cores, red=1) == ["node1: the tunnel to node2 is changing"]


def test_an_order_is_part_of_the_network():
    cores = ready()
    cores.intent.snapshot("red", "before")
    (change,) = cores.intent.prefer("red", ("vxlan", "stt")).changes
    assert (change.path, change.new) == ("red/encapsulations", ["vxlan", "stt"])
    assert cores.intent.network("red").network.encapsulations == ("vxlan", "stt")
    cores.intent.rollback("red", "before")
    assert cores.intent.network("red").network.encapsulations == ()
    text = TEXT.replace("  - name: red\n", "  - name: red\n    encapsulations: [geneve]\n")
    cores.intent.apply(text, "two.yaml")
    assert cores.intent.network("red").network.encapsulations == ("geneve",)


def test_a_node_is_used_as_users_want_as_far_as_it_is_able():
    cores = ready()
    assert cores.intent.prefer_at("node1", ("geneve", "vxlan")).generations == {"red": 1, "blue": 1}
    assert between(cores).coming == {"": "vxlan"}
    cores.intent.prefer_at("node1", ("geneve",))
    listing = Listing(cores.intent_rows, cores.state_rows, lambda _: True)
    assert listing.nodes()[0]["ignored"] == "wanted geneve, able to do stt, vxlan"
    assert between(cores).coming == {}


def test_ends_that_are_forgotten_say_nothing_any_more():
    cores = ready()
    cores.intent.apply(TEXT.replace("node: node2", "node: node1"), "two.yaml")
    cores.intent.forget_node("node2")
    assert {node for node, _ in store.tunnel_ends(cores.state_rows)} == {"node1"}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (("vxlam",), "unknown encapsulation 'vxlam'; did you mean"),
        (("vxlan", "vxlan"), "an encapsulation is here twice"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(order: tuple[str, ...], said: str):
    cores = ready()
    for call in (lambda: cores.intent.prefer("red", order), lambda: cores.intent.prefer_at("node1", order)):
        with pytest.raises(InvalidInput, match=said):
            call()
    line = f"  - name: red\n    encapsulations: [{', '.join(order)}]\n"
    with pytest.raises(InvalidInput, match=said):
        cores.intent.apply(TEXT.replace("  - name: red\n", line), "two.yaml")


def test_an_order_for_what_is_not_there_is_refused():
    cores = ready()
    with pytest.raises(NotFound, match="red"):
        cores.intent.prefer("rad", ("vxlan",))
    with pytest.raises(NotFound, match="node1"):
        cores.intent.prefer_at("nod1", ("vxlan",))
    with pytest.raises(InvalidInput, match="one of gre and nvgre"):
        cores.intent.prefer_at("node1", ("gre", "nvgre"))
