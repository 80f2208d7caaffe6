"""How large a workload's packets may be so that every tunnel of its network carries them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from tulle.values import Binding, Encapsulation, Node, NodeReport, Tunnel, Unreachable

ETHERNET_MTU: Final = 1500
NO_REPORTS: Final[Mapping[str, NodeReport]] = MappingProxyType({})
IPV6_MORE_BYTES: Final = 20
"""An IPv6 header is longer by this than one of IPv4 without options (RFC 8200 section 3)."""


def network_mtu(
    network: str,
    bindings: Iterable[Binding],
    tunnels: Iterable[Tunnel | Unreachable],
    encapsulations: Mapping[str, Encapsulation],
    underlay_mtu: int = ETHERNET_MTU,
    nodes: Iterable[Node] = (),
    reports: Mapping[str, NodeReport] = NO_REPORTS,
) -> int:
    """Bytes of the largest IP packet: the least over all pairs of nodes that have ports of `network`.

    A tunnel is over IPv6 where one of `nodes` with such an address is an end of it.  Encapsulations that cut frames by
    themselves do not count; without a tunnel it is 1500.  `underlay_mtu` is that of nodes without a report.
    """
    places = {binding.node for binding in bindings if binding.network == network}
    over_ipv6 = {node.name for node in nodes if ":" in node.address}
    underlay = {name: report.underlay_mtu for name, report in reports.items()}
    limits = (
        _limit(
            encapsulations[tunnel.encapsulation],
            min(underlay.get(end, underlay_mtu) for end in (tunnel.local, tunnel.remote)),
            tunnel.local in over_ipv6 or tunnel.remote in over_ipv6,
        )
        for tunnel in _used(places, tunnels)
    )
    return min(limits, default=ETHERNET_MTU)


def _used(places: Collection[str], tunnels: Iterable[Tunnel | Unreachable]) -> Iterator[Tunnel]:
    """The tunnels between these places."""
    for tunnel in tunnels:
        if isinstance(tunnel, Tunnel) and tunnel.local in places and tunnel.remote in places:
            yield tunnel


def _limit(encapsulation: Encapsulation, underlay_mtu: int, is_ipv6: bool) -> int:
    if not encapsulation.limited_by_mtu:
        return ETHERNET_MTU
    more = IPV6_MORE_BYTES if is_ipv6 else 0
    return min(ETHERNET_MTU, underlay_mtu - encapsulation.overhead_bytes - more)
