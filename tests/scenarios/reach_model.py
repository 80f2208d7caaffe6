"""What should become of a packet, read off the network itself: slow, obvious, without any flow.

It knows switches, routers and ACLs as a network engineer does; nothing of nodes, registers or tables.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from msgspec import Struct
from msgspec.structs import replace

from tulle.values import LogicalPort, LogicalRouter, Match, Network, RouterPort, StaticRoute

ECHO = {"icmp": (8, 0), "icmp6": (128, 129)}
ROUTERS_MAX = 8
LOOP = "loop"


class Packet(Struct, frozen=True):
    """An IP packet; `kind` is the ICMP type."""

    protocol: str
    src: str
    dst: str
    dport: int = 0
    kind: int = 0


class Leg(Struct, frozen=True):
    """A router and one of its ports."""

    router: LogicalRouter
    port: RouterPort


Station = LogicalPort | Leg


class Model:
    """Answers for one network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def fate(self, port: str, match: Match) -> str:
        """`delivered to PORT`, `acl NAME`, `agent REASON`, or why else it ends."""
        source = next(one for one in self._network.ports if one.name == port)
        return self.fate_of(source, packet_of(source, match))

    def fate_of(self, source: LogicalPort, packet: Packet) -> str:
        """The same, of a packet."""
        dropped = self._acl("from-port", source, packet)
        return dropped or self._to(self._first(source, packet.dst), source, packet, 0)

    def broadcast(self, port: str, packet: Packet) -> list[str]:
        """The ports that get a broadcast."""
        source = next(one for one in self._network.ports if one.name == port)
        if self._acl("from-port", source, packet):
            return []
        others = [one for one in self._network.ports if one.switch == source.switch and one != source]
        return sorted(one.name for one in others if one.node and not self._acl("to-port", one, packet))

    def _first(self, source: LogicalPort, dst: str) -> Station:
        """A neighbour, or the first router there that speaks the family."""
        neighbour = self._station(source.switch, dst)
        if neighbour is not None:
            return neighbour
        version = ip_address(dst).version
        return next(
            leg
            for leg in self._legs(source.switch)
            if any(ip_interface(one).version == version for one in leg.port.addresses)
        )

    def _to(self, target: Station, sender: Station, packet: Packet, routers: int) -> str:
        if isinstance(target, LogicalPort):
            return self._deliver(target, sender, packet)
        if routers > ROUTERS_MAX:
            return LOOP
        if any(packet.dst == str(ip_interface(one).ip) for p in target.router.ports for one in p.addresses):
            return self._for_router(target, sender, packet, routers)
        return self._route(target.router, packet, routers)

    def _deliver(self, target: LogicalPort, sender: Station, packet: Packet) -> str:
        if target.node is None:
            return "unreachable port"
        if target == sender:
            return f"hairpin {target.name}"
        return self._acl("to-port", target, packet) or f"delivered to {target.name}"

    def _for_router(self, leg: Leg, sender: Station, packet: Packet, routers: int) -> str:
        request, reply = ECHO.get(packet.protocol, (None, 0))
        if request is None or packet.kind != request:
            return f"router {leg.router.name} (not a service)"
        answer = replace(packet, src=packet.dst, dst=packet.src, kind=reply)
        return self._to(sender, leg, answer, routers + 1)

    def _route(self, router: LogicalRouter, packet: Packet, routers: int) -> str:
        leg = self._connected(router, packet.dst)
        host = self._neighbour(router, leg, packet.dst) if leg else None
        if leg is not None and host is not None:
            return self._to(host, leg, packet, routers + 1)
        route = self._longest(router, packet.dst)
        if route is None or (
            leg is not None and _length(leg, packet.dst) >= ip_network(route.prefix).prefixlen
        ):
            return "agent host-unreachable" if leg is not None else "agent net-unreachable"
        out = self._connected(router, route.next_hop)
        hop = self._neighbour(router, out, route.next_hop) if out else None
        if out is None or hop is None:
            return "agent host-unreachable"
        return self._to(hop, out, packet, routers + 1)

    def _connected(self, router: LogicalRouter, dst: str) -> Leg | None:
        legs = (Leg(router, port) for port in router.ports)
        return next((leg for leg in legs if _length(leg, dst)), None)

    def _neighbour(self, router: LogicalRouter, leg: Leg, address: str) -> Station | None:
        found = self._station(leg.port.switch, address)
        return None if isinstance(found, Leg) and found.router == router else found

    def _longest(self, router: LogicalRouter, dst: str) -> StaticRoute | None:
        address = ip_address(dst)
        fitting = [one for one in router.routes if address in ip_network(one.prefix)]
        return max(fitting, key=lambda one: ip_network(one.prefix).prefixlen, default=None)

    def _station(self, switch: str, address: str) -> Station | None:
        for port in self._network.ports:
            if port.switch == switch and address in port.addresses:
                return port
        for leg in self._legs(switch):
            if address in [str(ip_interface(one).ip) for one in leg.port.addresses]:
                return leg
        return None

    def _legs(self, switch: str) -> list[Leg]:
        every = [Leg(router, port) for router in self._network.routers for port in router.ports]
        return [leg for leg in every if leg.port.switch == switch]

    def _acl(self, direction: str, port: LogicalPort, packet: Packet) -> str | None:
        """The rule that drops the packet at this port."""
        rules = [
            one
            for one in self._network.acls
            if one.direction == direction and (one.switch == port.switch or one.port == port.name)
        ]
        fitting = [one for one in rules if fits(one.match, packet)]
        first = max(fitting, key=lambda one: one.priority, default=None)
        return f"acl {first.name}" if first is not None and first.action == "drop" else None


def packet_of(source: LogicalPort, match: Match) -> Packet:
    """What a trace of the match sends."""
    assert match.dst is not None
    version = ip_address(match.dst).version
    src = next(one for one in source.addresses if ip_address(one).version == version)
    return Packet(match.protocol, src, match.dst, match.dport or 0, ECHO.get(match.protocol, (0, 0))[0])


def fits(match: Match, packet: Packet) -> bool:
    """Whether an ACL speaks of the packet."""
    version = ip_address(packet.dst).version
    if match.protocol in ("ip4", "ip6") and match.protocol != f"ip{version}":
        return False
    if match.protocol in ("tcp", "udp", "icmp", "icmp6") and match.protocol != packet.protocol:
        return False
    for prefix, address in ((match.src, packet.src), (match.dst, packet.dst)):
        if prefix is not None and ip_address(address) not in ip_network(prefix):
            return False
    return match.dport in (None, packet.dport) and match.icmp_type in (None, packet.kind)


def _length(leg: Leg, dst: str) -> int:
    """How long the connected prefix is that holds `dst`; 0 if none does."""
    networks = [ip_interface(one).network for one in leg.port.addresses]
    return max((one.prefixlen for one in networks if ip_address(dst) in one), default=0)
