"""What policies make of packets, read off the network itself: slow, obvious, without any flow.

It keeps the connections that each port knows, as a person with a notebook at each port would.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from msgspec.structs import replace
from reach_model import Model, Packet, fits

from tulle.values import Acl, LogicalPort, Network

ECHO_REPLIES = (0, 129)
INVALID = "connection tracking (invalid)"
REFUSED = "connection tracking (refused by an ACL)"
Ends = tuple[str, str, int, str, int]


class PolicyModel(Model):
    """Answers for one network, and remembers connections from one question to the next.

    Set `sport` before a question; `answers` says whether the packet is the second one of TCP's handshake.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self._net = network
        self._known: dict[str, dict[Ends, bool]] = {port.name: {} for port in network.ports}
        self.sport = 0
        self.answers = False

    def take_over(self, former: PolicyModel) -> None:
        """The network has changed; ports that stay keep what they know."""
        for port in self._known:
            self._known[port] = former._known.get(port, {})

    def _acl(self, direction: str, port: LogicalPort, packet: Packet) -> str | None:
        if not any(acl.action == "allow-related" for acl in self._net.acls):
            return self._refusal(direction, port, packet)
        known = self._known[port.name]
        forth, back = self._ends(packet)
        if back in known:
            return REFUSED if known[back] else None
        if forth not in known and (packet.kind in ECHO_REPLIES and packet.protocol.startswith("icmp")):
            return INVALID
        if forth not in known and self.answers and packet.protocol == "tcp":
            return INVALID
        refused = self._refusal(direction, port, packet)
        if refused and forth in known:
            known[forth] = True
        elif not refused and self._remembers(direction, port, packet):
            known[forth] = False
        return refused

    def _ends(self, packet: Packet) -> tuple[Ends, Ends]:
        """The connection that a packet would begin, and the one that it would answer."""
        if packet.protocol.startswith("icmp"):
            here, there = (packet.protocol, packet.src), (packet.protocol, packet.dst)
            asks, never = (*here, 0, packet.dst, 0), (*here, 0, "", 0)
            return (never, (*there, 0, packet.src, 0)) if packet.kind in ECHO_REPLIES else (asks, never)
        forth = (packet.protocol, packet.src, self.sport, packet.dst, packet.dport)
        return forth, (forth[0], forth[3], forth[4], forth[1], forth[2])

    def _refusal(self, direction: str, port: LogicalPort, packet: Packet) -> str | None:
        acl = self._deciding(direction, port, packet)
        if acl is not None:
            return {"drop": f"acl {acl.name}", "reject": "agent reject"}.get(acl.action)
        return f"default {port.switch}" if direction in self._net.default_deny else None

    def _remembers(self, direction: str, port: LogicalPort, packet: Packet) -> bool:
        acl = self._deciding(direction, port, packet)
        return acl is None or acl.action == "allow-related"

    def _deciding(self, direction: str, port: LogicalPort, packet: Packet) -> Acl | None:
        for tier in range(4):
            fitting = [
                acl
                for acl in self._net.acls
                if acl.tier == tier and acl.direction == direction and not acl.audit
                if self._is_at(acl, port) and self._speaks_of(acl, packet)
            ]
            first = max(fitting, key=lambda one: one.priority, default=None)
            if first is not None and first.action != "pass":
                return first
        return None

    def _is_at(self, acl: Acl, port: LogicalPort) -> bool:
        members = [name for group in self._net.port_groups if group.name == acl.group for name in group.ports]
        return acl.switch == port.switch or acl.port == port.name or port.name in members

    def _speaks_of(self, acl: Acl, packet: Packet) -> bool:
        bare = replace(acl.match, src=None, dst=None)
        ends = ((acl.match.src, packet.src), (acl.match.dst, packet.dst))
        return fits(bare, packet) and all(text is None or self._within(text, end) for text, end in ends)

    def _within(self, text: str, address: str) -> bool:
        if text[0] == "$":
            members = next(one.addresses for one in self._net.address_sets if one.name == text[1:])
        elif text[0] == "@":
            group = next(one for one in self._net.port_groups if one.name == text[1:])
            members = tuple(a for port in self._net.ports if port.name in group.ports for a in port.addresses)
        else:
            members = (text,)
        return any(ip_address(address) in ip_network(one) for one in members)
