"""Whether a packet from one port arrives at another, read off the network itself.

It walks switches, routers and ACLs as the flows will, but needs neither numbers nor nodes nor flows.
One way only: whether an answer comes back is the same question in the other direction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_interface
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tulle.values import (
    LogicalPort,
    LogicalRouter,
    Network,
    NextHop,
    RouterPort,
    RoutingPolicy,
    StaticRoute,
)

from .filtering import Address, Headers, Rules, address, own_address, prefix
from .hops import is_bound
from .policies import version_of
from .services import Service
from .sources import Sources
from .topology import with_homes

ROUTERS_MAX: Final = 64


class Leg(Struct, frozen=True):
    """A router and one of its ports."""

    router: LogicalRouter
    port: RouterPort


class Delivery:
    """Answers for one network, which must pass `rules.problems`."""

    def __init__(self, network: Network) -> None:
        network = with_homes(network)
        self.ports = {port.name: port for port in network.ports if not network.paused}
        self._stations: dict[tuple[str, Address], LogicalPort | Leg] = {}
        self._legs: defaultdict[str, list[Leg]] = defaultdict(list)
        for router in network.routers:
            for port in router.ports:
                self._legs[port.switch].append(leg := Leg(router, port))
                for text in port.addresses:
                    self._stations.setdefault((port.switch, ip_interface(text).ip), leg)
        for workload in network.ports:
            for text in workload.addresses:
                self._stations[workload.switch, address(text)] = workload
        self._routers = {router.name: router for router in network.routers}
        self._rules = Rules(network)
        self._sources = Sources(network)

    def delivers(self, source: str, target: str, service: Service) -> bool:
        """Whether a packet of this kind, sent to the target's address, arrives there."""
        sender, receiver = self.ports.get(source), self.ports.get(target)
        if sender is None or receiver is None or sender.node is None or receiver.node is None:
            return False
        src, dst = own_address(sender, service.version), own_address(receiver, service.version)
        if src is None or dst is None:
            return False
        packet = Headers(service, src, dst)
        if self._rules.drop("from-port", sender, packet):
            return False
        at = self._stations.get((sender.switch, dst)) or self._gateway(sender.switch, service.version)
        return self._arrives(at, receiver, packet)

    def _arrives(self, at: LogicalPort | Leg | None, receiver: LogicalPort, packet: Headers) -> bool:
        """Whether it does by every way that it may take."""
        passed: set[str] = set()
        waiting = [at]
        while waiting:
            at = waiting.pop()
            if not isinstance(at, Leg):
                seen = self._sources.seen(packet.src, receiver.switch)
                if at != receiver or self._rules.drop("to-port", receiver, replace(packet, src=seen)):
                    return False
            elif at.router.name not in passed:
                passed.add(at.router.name)
                waiting += self._next(at.router, packet) or [None]
        return self._ends(passed, packet)

    def _ends(self, passed: set[str], packet: Headers) -> bool:
        """Whether a packet comes to an end that passes these routers, and none of them again and again."""
        ways = {
            name: {one.router.name for one in self._next(self._routers[name], packet) if isinstance(one, Leg)}
            for name in passed
        }
        while ways:
            last = {name for name, onward in ways.items() if not onward & ways.keys()}
            if not last:
                return False
            ways = {name: onward for name, onward in ways.items() if name not in last}
        return len(passed) <= ROUTERS_MAX

    def _gateway(self, switch: str, version: int) -> Leg | None:
        for leg in self._legs[switch]:
            if any(ip_interface(one).version == version for one in leg.port.addresses):
                return leg
        return None

    def _next(self, router: LogicalRouter, packet: Headers) -> list[LogicalPort | Leg]:
        """Where a router may send a packet: as a policy says, to a neighbour that it knows, or by the longest route."""
        policy = self._policy(router, packet)
        if policy is not None and policy.action != "allow":
            return self._by(router, policy.next_hops)
        dst = packet.dst
        leg, length = _connected(router, dst)
        if leg is not None and (host := self._neighbour(router, leg, dst)) is not None:
            return [host]
        route = _longest(router, dst)
        if route is None or (leg is not None and length >= prefix(route.prefix).prefixlen):
            return []
        return self._by(router, route.hops)

    def _policy(self, router: LogicalRouter, packet: Headers) -> RoutingPolicy | None:
        own = (None, packet.dst.version)
        fitting = (
            one for one in router.policies if version_of(one) in own and self._rules.fits(one.match, packet)
        )
        return max(fitting, key=lambda one: one.priority, default=None)

    def _by(self, router: LogicalRouter, hops: Iterable[NextHop]) -> list[LogicalPort | Leg]:
        """Those of the next hops that there are; a port that is nowhere only if there is no other."""
        found = []
        for hop in hops:
            out, _ = _connected(router, address(hop.address))
            station = None if out is None else self._neighbour(router, out, address(hop.address))
            found += [] if station is None else [station]
        return [one for one in found if isinstance(one, Leg) or is_bound(one)] or found

    def _neighbour(self, router: LogicalRouter, leg: Leg, at: Address) -> LogicalPort | Leg | None:
        found = self._stations.get((leg.port.switch, at))
        return None if isinstance(found, Leg) and found.router == router else found


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
