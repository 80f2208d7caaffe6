"""Zones of connection tracking for translations: one more for each port of a network that translates.

ACLs remember what a port's workload sees, translations what both sides of them see, so they must not meet.
Numbers are those that ports behind tunnels get theirs from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tulle.values import Binding, Network, TunnelInterface, Zone

from .external_zones import free_zones


def translation_zones(
    node: str,
    networks: Iterable[Network],
    bindings: Iterable[Binding],
    tunnels: Iterable[TunnelInterface],
    taken: Collection[int],
) -> dict[Zone, int]:
    """For the ports on this node, and for those behind endpoints without an agent.

    `networks` may have one in several versions: it has zones while any of them translates.
    """
    translating = {
        one.name for one in networks if one.load_balancers or any(router.nat for router in one.routers)
    }
    nodes = {one.remote for one in tunnels if one.external} | {node}
    names = [
        f"{one.network}/{one.port}" for one in bindings if one.network in translating and one.node in nodes
    ]
    return {Zone(name): number for name, number in free_zones(names, taken).items()}
