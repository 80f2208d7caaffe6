"""What the ACLs of a network do to a packet, read off the network itself: the twin of `acl`, without flows.

Reachability knows of ACLs only what is here: whether they drop, and what they tell apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msgspec import Struct

from tulle.values import Acl, LogicalPort, Match, Network

from .acl_places import is_tracked
from .references import References
from .services import Service, told_apart

ECHO_REPLIES: Final = (0, 129)
REFUSING: Final = ("drop", "reject")
Address = IPv4Address | IPv6Address


class Headers(Struct, frozen=True):
    """What ACLs and routers look at."""

    service: Service
    src: Address
    dst: Address


class Rules:
    """The ACLs of one network, as they treat a packet that begins a connection."""

    def __init__(self, network: Network) -> None:
        self._references = References(network)
        self._denied = frozenset(network.default_deny)
        self._is_tracked = is_tracked(network)
        self._acls: defaultdict[tuple[str, str], list[Acl]] = defaultdict(list)
        for acl in network.acls:
            if not acl.audit:
                self._acls[acl.direction, _place(acl)].append(acl)
        self._groups = {
            port.name: tuple(group.name for group in network.port_groups if port.name in group.ports)
            for port in network.ports
        }
        matches = list(told_apart(network))
        self._texts = sorted({text for one in matches for text in (one.src, one.dst) if text is not None})
        self._names = {acl.port for acl in network.acls if acl.port is not None}

    def drop(self, direction: str, port: LogicalPort, packet: Headers) -> bool:
        """Whether the ACLs refuse the packet at a port: drop it, reject it, or speak of it nowhere under deny."""
        if (
            self._is_tracked
            and packet.service.kind in ECHO_REPLIES
            and packet.service.protocol.startswith("icmp")
        ):
            return True  # It answers nothing.
        fitting = sorted(self._fitting(direction, port, packet), key=_order)
        passed = set()
        for acl in fitting:
            if acl.tier in passed:
                continue  # A better rule of this tier has passed the packet on.
            if acl.action != "pass":
                return acl.action in REFUSING
            passed.add(acl.tier)
        return direction in self._denied

    def mark(self, port: LogicalPort) -> Hashable:
        """What the ACLs see of a port: two ports with the same mark are the same to them."""
        own = [own_address(port, version) for version in (4, 6)]
        inside = tuple(
            tuple(one is not None and self._within(text, one) for text in self._texts) for one in own
        )
        return inside, self._groups[port.name], port.name if port.name in self._names else None

    def _fitting(self, direction: str, port: LogicalPort, packet: Headers) -> Iterator[Acl]:
        groups = (f"group {name}" for name in self._groups[port.name])
        for place in (f"switch {port.switch}", f"port {port.name}", *groups):
            yield from (acl for acl in self._acls.get((direction, place), ()) if self.fits(acl.match, packet))

    def fits(self, match: Match, packet: Headers) -> bool:
        """Whether a match describes a packet."""
        service = packet.service
        if match.protocol in ("ip4", "ip6") and match.protocol != f"ip{service.version}":
            return False
        if match.protocol not in ("", "ip", "ip4", "ip6", service.protocol):
            return False
        ends = ((match.src, packet.src), (match.dst, packet.dst))
        if not all(text is None or self._within(text, end) for text, end in ends):
            return False
        wanted = (match.sport, match.dport, match.icmp_type, match.icmp_code)
        has = (service.sport, service.dport, service.kind, service.code)
        return all(want in (None, there) for want, there in zip(wanted, has, strict=True))

    def _within(self, text: str, one: Address) -> bool:
        return any(one in prefix(member) for member in self._references.addresses(text))


def _place(acl: Acl) -> str:
    if acl.port is not None:
        return f"port {acl.port}"
    return f"switch {acl.switch}" if acl.group is None else f"group {acl.group}"


def _order(acl: Acl) -> tuple[int, int, bool]:
    """Lower tiers first, then higher priorities; where two have the same, who refuses wins."""
    return acl.tier, -acl.priority, acl.action not in REFUSING


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
