"""The choice of encapsulations."""

from __future__ import annotations

from itertools import permutations

import pytest

from tulle.control import all_tunnels_of, choose, network_mtu, tunnels_of
from tulle.encap import encapsulations
from tulle.values import Binding, Encapsulation, Node, NodeReport, Tunnel, TunnelInterface, Unreachable

KNOWN = encapsulations()


def node(name: str, *preferences: str, external: bool = False) -> Node:
    return Node(name, f"192.0.2.{name[-1]}", preferences, external)


def chosen(one: tuple[str, ...], other: tuple[str, ...], known: dict[str, Encapsulation]) -> str:
    (tunnel,) = choose([node("n1", *one), node("n2", *other)], known)
    assert isinstance(tunnel, Tunnel)
    return tunnel.encapsulation


def test_each_pair_gets_the_best_that_both_speak() -> None:
    nodes = [node("node1", "stt", "vxlan"), node("node2", "stt", "vxlan"), node("node3", "vxlan")]
    expected = (
        Tunnel("node1", "node2", "stt"),
        Tunnel("node1", "node3", "vxlan"),
        Tunnel("node2", "node3", "vxlan"),
    )
    for order in permutations(nodes):
        assert choose(order, KNOWN) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("a", "b"), ("a", "b"), "a"),
        (("a", "b", "c"), ("c", "b", "a"), "b"),
        (("a", "b"), ("b", "a"), "b"),
        (("b", "a"), ("a", "b"), "b"),
        (("c", "a"), ("a",), "a"),
    ],
)
def test_neither_wish_counts_more(one: tuple[str, ...], other: tuple[str, ...], expected: str) -> None:
    known = {
        "a": Encapsulation("a", 24, 50),
        "b": Encapsulation("b", 64, 50),
        "c": Encapsulation("c", 24, 50),
    }
    assert chosen(one, other, known) == expected
    assert chosen(other, one, known) == expected


def test_nothing_in_common_is_said_with_its_reason() -> None:
    (answer,) = choose([node("n2", "vxlan"), node("n1", "stt")], KNOWN)
    assert answer == Unreachable("n1", "n2", "no encapsulation in common: n1 speaks stt; n2 speaks vxlan")


def test_an_encapsulation_that_is_not_registered_is_not_chosen() -> None:
    (answer,) = choose([node("n1", "magic"), node("n2", "magic")], KNOWN)
    assert isinstance(answer, Unreachable)


def test_two_endpoints_without_agent_get_no_tunnel_of_ours() -> None:
    nodes = [node("n1", "vxlan", external=True), node("n2", "vxlan", external=True), node("n3", "vxlan")]
    assert choose(nodes, KNOWN) == (Tunnel("n1", "n3", "vxlan"), Tunnel("n2", "n3", "vxlan"))


def test_a_node_sees_its_own_tunnels_from_its_side() -> None:
    nodes = {one.name: one for one in (node("n1", "stt"), node("n2", "stt", "vxlan"), node("n3", "vxlan"))}
    found = tunnels_of("n2", choose(nodes.values(), KNOWN), nodes)
    assert found == (TunnelInterface("n1", "192.0.2.1", "stt"), TunnelInterface("n3", "192.0.2.3", "vxlan"))


def test_a_tunnel_has_a_second_port_where_both_nodes_have_a_second_endpoint() -> None:
    def seconds(one: str, other: str) -> list[str]:
        ends = [
            Node(name, f"192.0.2.{index}", ("stt",), second_address=second)
            for index, (name, second) in enumerate((("n1", one), ("n2", other)))
        ]
        nodes = {end.name: end for end in ends}
        return [tunnels_of(name, choose(ends, KNOWN), nodes)[0].second_address for name in nodes]

    assert seconds("198.51.100.1", "198.51.100.2") == ["198.51.100.2", "198.51.100.1"]
    assert seconds("198.51.100.1", "") == ["", ""]
    assert seconds("", "") == ["", ""]


def test_each_encapsulation_of_a_pair_has_a_second_port() -> None:
    ends = [
        Node(name, f"192.0.2.{index}", ("stt", "gre"), second_address=f"198.51.100.{index}")
        for index, name in enumerate(("n1", "n2"))
    ]
    pair = Tunnel("n1", "n2", "stt", networks={"red": "gre"}, coming={"": "vxlan"}, leaving=("geneve",))
    made = all_tunnels_of("n1", (pair,), {end.name: end for end in ends})
    assert [one.encapsulation for one in made] == ["geneve", "gre", "stt", "vxlan"]
    assert {one.second_address for one in made} == {"198.51.100.1"}


@pytest.mark.parametrize(
    ("at", "underlay", "mtu"),
    [
        (("n1",), 1500, 1500),
        (("n1", "n2"), 1500, 1500),
        (("n1", "n3"), 1500, 1450),
        (("n1", "n2", "n3"), 1500, 1450),
        (("n1", "n3"), 9000, 1500),
        (("n1", "n2"), 1400, 1500),
    ],
)
def test_the_narrowest_tunnel_of_a_network_sets_its_mtu(at: tuple[str, ...], underlay: int, mtu: int) -> None:
    tunnels = choose([node("n1", "stt", "vxlan"), node("n2", "stt", "vxlan"), node("n3", "vxlan")], KNOWN)
    bindings = [Binding("red", f"port-{name}", name) for name in at]
    other = [Binding("blue", "x", "n3"), Binding("blue", "y", "n1")]
    assert network_mtu("red", [*bindings, *other], tunnels, KNOWN, underlay) == mtu


@pytest.mark.parametrize(("encapsulation", "mtu"), [("vxlan", 1430), ("gre", 1438), ("stt", 1500)])
def test_over_ipv6_a_tunnel_takes_twenty_bytes_more(encapsulation: str, mtu: int) -> None:
    nodes = [Node(name, f"2001:db8::{name[-1]}", (encapsulation,)) for name in ("n1", "n2")]
    bindings = [Binding("red", f"port-{one.name}", one.name) for one in nodes]
    assert network_mtu("red", bindings, choose(nodes, KNOWN), KNOWN, 1500, nodes) == mtu
    elsewhere = [Node("n3", "2001:db8::3", (encapsulation,)), node("n1", encapsulation)]
    over_ipv4 = network_mtu("red", bindings, choose(nodes, KNOWN), KNOWN, 1500, elsewhere)
    assert over_ipv4 == (1500 if encapsulation == "stt" else mtu + 20)


def test_the_smaller_underlay_of_two_nodes_counts_and_only_between_these() -> None:
    nodes = [node(name, "vxlan") for name in ("n1", "n2", "n3")]
    reports = {"n1": NodeReport(1500), "n2": NodeReport(1400)}

    def mtu(*places: str) -> int:
        bindings = [Binding("red", f"port-{name}", name) for name in places]
        return network_mtu("red", bindings, choose(nodes, KNOWN), KNOWN, 1450, nodes, reports)

    assert (mtu("n1", "n2"), mtu("n1", "n3"), mtu("n1", "n2", "n3")) == (1350, 1400, 1350)
    assert mtu("n1") == 1500


@pytest.mark.parametrize("reported", [-(2**63), 0, 68, 600])
def test_no_report_of_an_underlay_makes_a_network_narrower_than_every_host_takes(reported: int) -> None:
    nodes = [node(name, "vxlan") for name in ("n1", "n2")]
    bindings = [Binding("red", f"port-{one.name}", one.name) for one in nodes]
    reports = {"n1": NodeReport(reported)}
    assert network_mtu("red", bindings, choose(nodes, KNOWN), KNOWN, 1500, nodes, reports) == 576
