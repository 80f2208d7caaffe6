"""Zones for translations: nobody shares one, neither with another port nor with an ACL's."""

from __future__ import annotations

from tulle.agent.translation_zones import translation_zones
from tulle.values import Binding, LoadBalancer, Network, TunnelInterface, Zone

BALANCED = (LoadBalancer("shop", "tcp", ("192.0.2.80",), 80),)
NETWORKS = (
    Network("red", load_balancers=BALANCED),
    Network("blue", load_balancers=BALANCED),
    Network("plain"),
)
BINDINGS = [
    Binding(network, port, node)
    for network in ("red", "blue", "plain")
    for port, node in (("a", "here"), ("b", "here"), ("c", "far"), ("d", "tor"))
]
TUNNELS = (
    TunnelInterface("far", "192.0.2.2", "stt"),
    TunnelInterface("tor", "192.0.2.9", "vxlan", external=True),
)


def test_each_port_that_this_node_translates_for_has_a_zone_of_its_own() -> None:
    zones = translation_zones("here", NETWORKS, BINDINGS, TUNNELS, {1, 2, 3})
    assert zones.keys() == {Zone(f"{network}/{port}") for network in ("red", "blue") for port in "abd"}
    assert len({*zones.values(), 1, 2, 3}) == len(zones) + 3


def test_a_zone_is_none_that_is_taken() -> None:
    first = translation_zones("here", NETWORKS, BINDINGS, TUNNELS, ())
    second = translation_zones("here", NETWORKS, BINDINGS, TUNNELS, first.values())
    assert not set(first.values()) & set(second.values())
