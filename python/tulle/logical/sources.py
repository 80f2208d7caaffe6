"""Whom a port takes a packet's sender for, read off the network itself: the twin of `nat`, without flows.

Of connections that begin; virtual IPs and external addresses are nobody's own, so nobody reaches a port's own
address by them.
"""

from __future__ import annotations

from ipaddress import ip_network

from msgspec import Struct

from tulle.values import Network

from .filtering import Address, address, prefix
from .topology import inside, outside


class _Rule(Struct, frozen=True):
    switches: frozenset[str]
    prefixes: tuple[str, ...]
    external: str
    length: int


class Sources:
    """The translations of one network."""

    def __init__(self, network: Network) -> None:
        self._rules = [
            _Rule(
                outside(network, router, nat),
                inside(network, router, nat),
                nat.external,
                ip_network(nat.logical).prefixlen,
            )
            for router in network.routers
            for nat in router.nat
            if nat.kind != "dnat"
        ]

    def seen(self, src: Address, switch: str) -> Address:
        """The source address that a port on a switch sees of a packet from `src`."""
        fitting = [
            rule
            for rule in self._rules
            if switch in rule.switches and any(src in prefix(one) for one in rule.prefixes)
        ]
        best = max(fitting, key=lambda rule: rule.length, default=None)
        return src if best is None else address(best.external)
