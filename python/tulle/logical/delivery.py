"""Whether a packet from one port arrives at another, read off the network itself.

It walks switches, routers and ACLs as the flows will, but needs neither numbers nor nodes nor flows.
One way only: whether an answer comes back is the same question in the other direction.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from typing import Final

from msgspec import Struct

from tulle.values import Acl, LogicalPort, LogicalRouter, Network, RouterPort, StaticRoute

from .services import Service

ROUTERS_MAX: Final = 64
Address = IPv4Address | IPv6Address


class Leg(Struct, frozen=True):
    """A router and one of its ports."""

    router: LogicalRouter
    port: RouterPort


class Headers(Struct, frozen=True):
    """What ACLs and routers look at."""

    service: Service
    src: Address
    dst: Address


class Delivery:
    """Answers for one network, which must pass `rules.problems`."""

    def __init__(self, network: Network) -> None:
        self.ports = {port.name: port for port in network.ports if not network.paused}
        self._stations: dict[tuple[str, Address], LogicalPort | Leg] = {}
        self._legs: defaultdict[str, list[Leg]] = defaultdict(list)
        self._acls: defaultdict[tuple[str, str], list[Acl]] = defaultdict(list)
        for router in network.routers:
            for port in router.ports:
                self._legs[port.switch].append(leg := Leg(router, port))
                for text in port.addresses:
                    self._stations.setdefault((port.switch, ip_interface(text).ip), leg)
        for workload in network.ports:
            for text in workload.addresses:
                self._stations[workload.switch, address(text)] = workload
        for acl in sorted(network.acls, key=lambda one: (-one.priority, one.action != "drop")):
            self._acls[acl.direction, f"port {acl.port}" if acl.port else f"switch {acl.switch}"].append(acl)

    def delivers(self, source: str, target: str, service: Service) -> bool:
        """Whether a packet of this kind, sent to the target's address, arrives there."""
        sender, receiver = self.ports.get(source), self.ports.get(target)
        if sender is None or receiver is None or sender.node is None or receiver.node is None:
            return False
        src, dst = own_address(sender, service.version), own_address(receiver, service.version)
        if src is None or dst is None:
            return False
        packet = Headers(service, src, dst)
        if self._dropped("from-port", sender, packet):
            return False
        at = self._stations.get((sender.switch, dst)) or self._gateway(sender.switch, service.version)
        return self._arrives(at, receiver, packet)

    def _arrives(self, at: LogicalPort | Leg | None, receiver: LogicalPort, packet: Headers) -> bool:
        for _ in range(ROUTERS_MAX):
            if not isinstance(at, Leg):
                return at == receiver and not self._dropped("to-port", receiver, packet)
            at = self._next(at.router, packet.dst)
        return False

    def _gateway(self, switch: str, version: int) -> Leg | None:
        for leg in self._legs[switch]:
            if any(ip_interface(one).version == version for one in leg.port.addresses):
                return leg
        return None

    def _next(self, router: LogicalRouter, dst: Address) -> LogicalPort | Leg | None:
        """Where a router sends a packet: to a neighbour that it knows, else by the longest route."""
        leg, length = _connected(router, dst)
        if leg is not None and (host := self._neighbour(router, leg, dst)) is not None:
            return host
        route = _longest(router, dst)
        if route is None or (leg is not None and length >= prefix(route.prefix).prefixlen):
            return None
        hop = address(route.next_hop)
        out, _ = _connected(router, hop)
        return None if out is None else self._neighbour(router, out, hop)

    def _neighbour(self, router: LogicalRouter, leg: Leg, at: Address) -> LogicalPort | Leg | None:
        found = self._stations.get((leg.port.switch, at))
        return None if isinstance(found, Leg) and found.router == router else found

    def _dropped(self, direction: str, port: LogicalPort, packet: Headers) -> bool:
        """Whether the rule with the highest priority that fits drops; where two have the same, drop wins."""
        places = (f"switch {port.switch}", f"port {port.name}")
        fitting = (
            acl for place in places for acl in self._acls.get((direction, place), ()) if _fits(acl, packet)
        )
        first = min(fitting, key=lambda acl: (-acl.priority, acl.action != "drop"), default=None)
        return first is not None and first.action == "drop"


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


def _fits(acl: Acl, packet: Headers) -> bool:
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


def _connected(router: LogicalRouter, dst: Address) -> tuple[Leg | None, int]:
    """The first port with a prefix that holds `dst`, and how long it is."""
    for port in router.ports:
        for text in port.addresses:
            network = _home(text)
            if dst in network:
                return Leg(router, port), network.prefixlen
    return None, 0


@lru_cache(maxsize=65536)
def _home(text: str) -> IPv4Network | IPv6Network:
    return ip_interface(text).network


def _longest(router: LogicalRouter, dst: Address) -> StaticRoute | None:
    fitting = [one for one in router.routes if dst in prefix(one.prefix)]
    return max(fitting, key=lambda one: prefix(one.prefix).prefixlen, default=None)
