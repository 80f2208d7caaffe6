"""How large a workload's packets may be so that every tunnel of its network carries them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from tulle.values import Binding, Encapsulation, Tunnel, Unreachable

ETHERNET_MTU: Final = 1500


def network_mtu(
    network: str,
    bindings: Iterable[Binding],
    tunnels: Iterable[Tunnel | Unreachable],
    encapsulations: Mapping[str, Encapsulation],
    underlay_mtu: int = ETHERNET_MTU,
) -> int:
    """Bytes of the largest IP packet: the least over all pairs of nodes that have ports of `network`.

    Encapsulations that cut frames by themselves do not count; without a tunnel it is 1500.
    """
    nodes = {binding.node for binding in bindings if binding.network == network}
    used = _used(nodes, tunnels)
    limits = (_limit(encapsulations[name], underlay_mtu) for name in used)
    return min(limits, default=ETHERNET_MTU)


def _used(nodes: Collection[str], tunnels: Iterable[Tunnel | Unreachable]) -> set[str]:
    return {
        tunnel.encapsulation
        for tunnel in tunnels
        if isinstance(tunnel, Tunnel) and tunnel.local in nodes and tunnel.remote in nodes
    }


def _limit(encapsulation: Encapsulation, underlay_mtu: int) -> int:
    if not encapsulation.limited_by_mtu:
        return ETHERNET_MTU
    return min(ETHERNET_MTU, underlay_mtu - encapsulation.overhead_bytes)
