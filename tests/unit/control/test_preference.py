"""Whose order decides, and how that is said."""

from __future__ import annotations

from tulle.control import choice_between, passed_over
from tulle.control.preference import network_reason, pair_reason, preferring
from tulle.encap import encapsulations
from tulle.values import Node, Tunnel


def node(name: str, *able: str, external: bool = False) -> Node:
    return Node(name, f"192.0.2.{name[-1]}", able, external)


def by_name(*nodes: Node) -> dict[str, Node]:
    return {one.name: one for one in nodes}


def pair(nodes: dict[str, Node], **orders: tuple[str, ...]) -> Tunnel:
    (found,) = choice_between(nodes, {}, orders).pairs(encapsulations())
    assert isinstance(found, Tunnel)
    return found


ALL = by_name(node("n1", "stt", "vxlan", "geneve"), node("n2", "stt", "vxlan"))


def test_users_reorder_and_leave_out_what_a_node_is_able_to_do() -> None:
    wanted = preferring(ALL, by_name(node("n1", "geneve", "vxlan"), node("n2", "gre", "vxlan", "stt")))
    assert wanted["n1"].encapsulations == ("geneve", "vxlan")
    assert wanted["n2"].encapsulations == ("vxlan", "stt")


def test_a_wish_for_nothing_that_a_node_does_is_passed_over_and_said() -> None:
    declared = by_name(node("n1", "gre"), node("n2"))
    assert preferring(ALL, declared) == ALL
    assert passed_over(ALL, declared) == {"n1": "wanted gre, able to do stt, vxlan, geneve"}


def test_an_end_without_an_agent_does_what_is_declared() -> None:
    able = by_name(node("n3", "vxlan", external=True))
    assert preferring(able, by_name(node("n3", "geneve", external=True))) == able


def test_networks_take_the_first_of_their_own_that_both_nodes_do() -> None:
    found = pair(ALL, red=("geneve", "vxlan"), blue=("stt",), green=("gre",))
    assert (found.encapsulation, found.networks) == ("stt", {"red": "vxlan"})


def test_the_reason_names_who_lacks_what_would_have_been_better() -> None:
    assert pair_reason(pair(ALL), ALL) == "first choice of both"
    other = by_name(node("n1", "geneve", "vxlan"), node("n2", "stt", "vxlan"))
    expected = "second choice of both; n2 without geneve; n1 without stt"
    assert pair_reason(pair(other), other) == expected
    crossed = by_name(node("n1", "stt", "vxlan"), node("n2", "vxlan", "stt"))
    assert pair_reason(pair(crossed), crossed) == "first choice of n1; second choice of n2"


def test_the_reason_of_a_network_is_its_order() -> None:
    found = pair(ALL)
    assert network_reason(found, ALL, "red", ("stt",)) == "first choice of red"
    assert network_reason(found, ALL, "red", ("geneve", "vxlan")) == "second choice of red; n2 without geneve"
    said = "red prefers gre, which the two do not share; as the nodes prefer"
    assert network_reason(found, ALL, "red", ("gre",)) == said


def test_wishes_that_leave_two_nodes_nothing_are_passed_over_between_them() -> None:
    declared = by_name(node("n1", "vxlan"), node("n2", "stt"))
    wanted = choice_between(ALL, declared, {"red": ("geneve", "vxlan")})
    (found,) = wanted.pairs(encapsulations())
    assert found == Tunnel("n1", "n2", "stt", {"red": "vxlan"})
    assert wanted.reason(found) == "users want nothing that both do; as the agents say: first choice of both"
    assert wanted.reason(found, "red") == "second choice of red; n2 without geneve"
