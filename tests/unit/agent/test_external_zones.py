"""Zones of connection tracking for ports behind endpoints without an agent."""

from __future__ import annotations

from tulle.agent.external_zones import COUNT, FIRST, external_zones, new_zones
from tulle.values import Binding, LocalPort, TunnelInterface

TUNNELS = (
    TunnelInterface("far", "192.0.2.9", "vxlan", external=True),
    TunnelInterface("n2", "192.0.2.2", "stt"),
)


def bindings(*names: str) -> list[Binding]:
    return [Binding(*name.split("/"), "far") for name in names] + [Binding("red", "here", "n2")]


def test_each_port_behind_an_external_endpoint_has_a_zone_that_no_port_has() -> None:
    zones = external_zones(bindings("red/a", "blue/a"), TUNNELS, {1, 2})
    assert zones.keys() == {LocalPort("red/a"), LocalPort("blue/a")}
    assert len(set(zones.values())) == 2 and min(zones.values()) >= FIRST
    moved = external_zones(bindings("red/a"), TUNNELS, zones.values())
    assert not set(moved.values()) & set(zones.values())


def test_a_zone_stays_when_others_come() -> None:
    few = external_zones(bindings("red/a"), TUNNELS, ())
    assert few.items() <= external_zones(bindings("red/a", "blue/a", "blue/b"), TUNNELS, ()).items()


def test_more_ports_than_zones_get_none_twice() -> None:
    zones = external_zones(
        bindings(*(f"red/p{at}" for at in range(5))), TUNNELS, range(FIRST, FIRST + COUNT - 3)
    )
    assert len(zones) == len(set(zones.values())) == 3


def test_connections_of_a_zone_that_is_new_are_forgotten_but_not_at_the_start() -> None:
    zones = {LocalPort("red/a"): 40000, LocalPort("red/b"): 50000}
    assert new_zones(None, zones) == []
    assert new_zones({}, zones) == [40000, 50000]
    assert new_zones({LocalPort("red/a"): 40000, LocalPort("red/b"): 1}, zones) == [50000]
