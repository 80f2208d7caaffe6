"""Tunnels that nobody needs any more stay for a moment."""

from __future__ import annotations

from uuid import uuid4

from msgspec.structs import replace

from tulle.agent import interfaces
from tulle.agent.interfaces import Present
from tulle.agent.retiring import GRACE_S, Retiring, tunnel_of
from tulle.values import Node, TunnelInterface

TUNNEL = TunnelInterface("node2", "192.0.2.2", "vxlan")
NODES = {"node2": Node("node2", "192.0.2.2", ("vxlan",))}


def there(*made: interfaces.Interface) -> dict[str, Present]:
    return {one.name: Present(one, uuid4(), uuid4(), 3, None, None) for one in made}


MADE = there(
    interfaces.tunnel_interface("node1", "192.0.2.1", TUNNEL),
    interfaces.tap_interface("node1", ("red", "web1")),
)


def test_a_tunnel_that_is_surplus_is_kept_for_a_moment_and_then_let_go() -> None:
    retiring = Retiring()
    assert retiring.update(MADE, {"vxlan-node2"}, 10.0) == frozenset()
    assert retiring.next_end() is None
    assert retiring.update(MADE, set(), 11.0) == {"vxlan-node2"}
    assert retiring.next_end() == 11.0 + GRACE_S
    assert retiring.update(MADE, set(), 11.9) == {"vxlan-node2"}
    assert retiring.update(MADE, set(), 12.0) == frozenset()


def test_a_tunnel_that_is_wanted_again_has_its_whole_time_the_next_time() -> None:
    retiring = Retiring()
    retiring.update(MADE, set(), 10.0)
    assert retiring.update(MADE, {"vxlan-node2"}, 10.5) == frozenset()
    assert retiring.update(MADE, set(), 20.0) == {"vxlan-node2"}


def test_an_interface_says_which_tunnel_it_is() -> None:
    assert tunnel_of(MADE["vxlan-node2"], NODES) == TUNNEL


def test_an_interface_between_second_endpoints_says_so() -> None:
    node = Node("node1", "192.0.2.1", ("vxlan",), second_address="198.51.100.1")
    both = replace(TUNNEL, second_address="198.51.100.2")
    first, second = there(*interfaces.tunnel_interfaces(node, both)).values()
    assert tunnel_of(first, NODES) == TUNNEL
    assert tunnel_of(second, NODES) == replace(both, address="198.51.100.2")


def test_an_endpoint_that_is_gone_is_no_more_trusted_than_when_it_was_there() -> None:
    external = replace(TUNNEL, external=True)
    (made,) = there(interfaces.tunnel_interface("node1", "192.0.2.1", external)).values()
    assert tunnel_of(made, {}) == external
    assert tunnel_of(made, NODES) == external, "another node got the name"
    assert tunnel_of(MADE["vxlan-node2"], {}) == external, "made by an earlier release"
