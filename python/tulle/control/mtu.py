"""How large a workload's packets may be so that every tunnel of its network carries them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from tulle.values import Binding, Encapsulation, Node, NodeReport, Tunnel, Unreachable

from .preference import ways_of

ETHERNET_MTU: Final = 1500
LEAST_MTU: Final = 576
"""What every host takes (RFC 791 section 3.1); no report of an agent makes a network narrower.

IPv6 wants 1280 (RFC 8200 section 5), but an underlay of 1300 bytes is possible, and carries IPv4.
"""
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
    themselves do not count; without a tunnel it is 1500, and never less than 576.  `underlay_mtu` is that of nodes
    without a report.
    """
    places = {binding.node for binding in bindings if binding.network == network}
    over_ipv6 = {node.name for node in nodes if ":" in node.address or ":" in node.second_address}
    underlay = {name: report.underlay_mtu for name, report in reports.items()}
    limits = (
        _limit(
            encapsulations[name],
            min(underlay.get(end, underlay_mtu) for end in (tunnel.local, tunnel.remote)),
            tunnel.local in over_ipv6 or tunnel.remote in over_ipv6,
        )
        for tunnel, name in _used(network, places, tunnels)
    )
    return min(limits, default=ETHERNET_MTU)


def _used(
    network: str, places: Collection[str], tunnels: Iterable[Tunnel | Unreachable]
) -> Iterator[tuple[Tunnel, str]]:
    """The tunnels between these places, each with its encapsulations, those that are coming too.

    So a smaller packet size is there before the first packet goes the new way, and a larger one only afterwards.
    """
    for tunnel in tunnels:
        if isinstance(tunnel, Tunnel) and tunnel.local in places and tunnel.remote in places:
            for name in ways_of(tunnel, network):
                yield tunnel, name


def _limit(encapsulation: Encapsulation, underlay_mtu: int, is_ipv6: bool) -> int:
    if not encapsulation.limited_by_mtu:
        return ETHERNET_MTU
    more = IPV6_MORE_BYTES if is_ipv6 else 0
    return min(ETHERNET_MTU, max(LEAST_MTU, underlay_mtu - encapsulation.overhead_bytes - more))
