"""What the ACLs of a network do to a packet, read off the network itself: the twin of `acl`, without flows.

Reachability knows of ACLs only what is here: whether they drop, and what they tell apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

from tulle.values import Acl, LogicalPort, Network

from .services import Service

Address = IPv4Address | IPv6Address


class Headers(Struct, frozen=True):
    """What ACLs and routers look at."""

    service: Service
    src: Address
    dst: Address


class Rules:
    """The ACLs of one network."""

    def __init__(self, network: Network) -> None:
        self._acls: defaultdict[tuple[str, str], list[Acl]] = defaultdict(list)
        for acl in network.acls:
            place = f"port {acl.port}" if acl.port else f"switch {acl.switch}"
            self._acls[acl.direction, place].append(acl)
        matches = [acl.match for acl in network.acls]
        self._texts = sorted({text for one in matches for text in (one.src, one.dst) if text is not None})
        self._names = {acl.port for acl in network.acls if acl.port is not None}

    def drop(self, direction: str, port: LogicalPort, packet: Headers) -> bool:
        """Whether the rule with the highest priority that fits drops; where two have the same, drop wins."""
        places = (f"switch {port.switch}", f"port {port.name}")
        fitting = (
            acl for place in places for acl in self._acls.get((direction, place), ()) if fits(acl, packet)
        )
        first = min(fitting, key=lambda acl: (-acl.priority, acl.action != "drop"), default=None)
        return first is not None and first.action == "drop"

    def mark(self, port: LogicalPort) -> Hashable:
        """What the ACLs see of a port: two ports with the same mark are the same to them."""
        own = [own_address(port, version) for version in (4, 6)]
        inside = tuple(tuple(one is not None and one in prefix(text) for text in self._texts) for one in own)
        return inside, port.name if port.name in self._names else None


def fits(acl: Acl, packet: Headers) -> bool:
    """Whether an ACL speaks of a packet."""
    match, service = acl.match, packet.service
    if match.protocol in ("ip4", "ip6") and match.protocol != f"ip{service.version}":
        return False
    if match.protocol not in ("", "ip", "ip4", "ip6", service.protocol):
        return False
    if match.src is not None and packet.src not in prefix(match.src):
        return False
    if match.dst is not None and packet.dst not in prefix(match.dst):
        return False
    wanted = (match.sport, match.dport, match.icmp_type, match.icmp_code)
    has = (service.sport, service.dport, service.kind, service.code)
    return all(want in (None, there) for want, there in zip(wanted, has, strict=True))


def own_address(port: LogicalPort, version: int) -> Address | None:
    """The first address of a family that a port has."""
    return next((found for one in port.addresses if (found := address(one)).version == version), None)


@lru_cache(maxsize=65536)
def address(text: str) -> Address:
    """An address."""
    return ip_address(text)


@lru_cache(maxsize=65536)
def prefix(text: str) -> IPv4Network | IPv6Network:
    """A prefix, or an address as one."""
    return ip_network(text)
