"""Answers what flows hand up for the services of networks, to the port that asked and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tulle.agent.slowpath import Answer, TokenBucket
from tulle.openflow import PacketIn
from tulle.values import SERVICES, Lease, NetworkServices, ServedSwitch, pipeline

from . import dhcp4, dhcp6, names, router_advertisement
from .datagram import Datagram, emit_datagram, mac_bytes, parse_datagram

PORT_PER_S, NODE_PER_S = 100.0, 1000.0
"""A question costs up to 0.3 ms, so all together they take less than a third of a processor."""
ETHERNET_MTU: Final = 1500
BROADCAST_MAC: Final = "ff:ff:ff:ff:ff:ff"
Reasons = Mapping[tuple[int, int], str]


class Asker(NamedTuple):
    """Who asks: the services of its network, its switch, and its port there."""

    services: NetworkServices
    switch: ServedSwitch
    key: int
    mtu: int

    @property
    def lease(self) -> Lease:
        """What the port is told."""
        return self.switch.leases[self.key]


class Services:
    """Answers for all networks of a node; `counts` says what became of questions."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._switches: dict[int, tuple[NetworkServices, ServedSwitch]] = {}
        self._mtus: Mapping[str, int] = {}
        self._reasons: dict[tuple[int, int], str] = {}
        self._buckets: dict[tuple[int, int], TokenBucket] = {}
        self._node = TokenBucket(NODE_PER_S, NODE_PER_S)
        self._answers: dict[str, Callable[[bytes, Asker], bytes | None]] = {
            "DHCP": _dhcp4,
            "DHCPv6": _dhcp6,
            "router advertisement": _advertisement,
            "DNS": _dns,
        }
        self.counts = {"answered": 0, "limited": 0, "silent": 0, "unknown": 0, "broken": 0}

    def configure(
        self, services: tuple[NetworkServices, ...], reasons: Reasons, mtus: Mapping[str, int]
    ) -> None:
        """Know these services, why flows hand packets up, and the MTU of each network in bytes."""
        self._switches = {switch.datapath: (one, switch) for one in services for switch in one.switches}
        self._reasons = {key: reason for key, reason in reasons.items() if is_service(reason)}
        self._mtus = mtus
        self._buckets = {
            (datapath, port): bucket
            for (datapath, port), bucket in self._buckets.items()
            if datapath in self._switches and port in self._switches[datapath][1].leases
        }

    def concerns(self, packet: PacketIn) -> bool:
        """Whether a service is asked."""
        return (packet.table, packet.cookie) in self._reasons

    def answer(self, packet: PacketIn) -> Answer | None:
        """What to send in return; None where nothing is due."""
        service = self._reasons[packet.table, packet.cookie].partition(" of ")[0]
        asker = self._asker(packet)
        if asker is None:
            self.counts["unknown"] += 1
            return None
        place = packet.metadata, asker.key
        bucket = self._buckets.setdefault(place, TokenBucket(PORT_PER_S, PORT_PER_S))
        now = self._clock()
        # The smaller first: what one port has too much of takes nothing from the others.
        if not (bucket.take(now) and self._node.take(now)):
            self.counts["limited"] += 1
            return None
        try:
            frame = self._answers[service](packet.frame, asker)
        except Exception:
            # Whatever somebody has sent, the node must not lose its agent; the counter says that there is a bug.
            self.counts["broken"] += 1
            return None
        self.counts["silent" if frame is None else "answered"] += 1
        return None if frame is None else Answer(to_port(*place), frame)

    def _asker(self, packet: PacketIn) -> Asker | None:
        services, switch = self._switches.get(packet.metadata, (None, None))
        key = packet.registers.get("reg14", 0)
        if services is None or switch is None or key not in switch.leases:
            return None
        return Asker(services, switch, key, self._mtus.get(services.network, ETHERNET_MTU))


def is_service(reason: str) -> bool:
    """Whether a flow hands packets up for a service."""
    return reason.partition(" of ")[0] in SERVICES


def to_port(datapath: int, port: int) -> str:
    """Straight to a port of this node, past the ACLs, as flows answer too."""
    registers = f"set_field:{datapath:#x}->metadata,set_field:{port:#x}->reg15"
    return f"{registers},resubmit(,{pipeline.DELIVER})"


def _dhcp4(frame: bytes, asker: Asker) -> bytes | None:
    asked = parse_datagram(frame)
    request = None if asked is None else dhcp4.parse_request(asked.payload)
    if asked is None or request is None or asked.source_mac != request.mac:
        return None
    server = _address(asker.switch, 4)
    reply = dhcp4.answer(request, dhcp4.Offer(server, asker.lease, asker.switch.told, asker.mtu))
    if reply is None:
        return None
    mac = BROADCAST_MAC if reply.target == dhcp4.BROADCAST else request.mac
    return emit_datagram(Datagram(asker.switch.mac, mac, server, reply.target, 67, 68, reply.payload))


def _dhcp6(frame: bytes, asker: Asker) -> bytes | None:
    asked = parse_datagram(frame)
    request = None if asked is None else dhcp6.parse_request(asked.payload)
    if asked is None or request is None or not asked.source.startswith("fe80:"):
        return None
    if asked.source_mac != asker.lease.mac:
        return None
    said = dhcp6.answer(request, dhcp6.Offer(asker.switch.mac, asker.lease, asker.switch.told))
    if said is None:
        return None
    source = str(router_advertisement.link_local(asker.switch.mac))
    return emit_datagram(Datagram(asker.switch.mac, asked.source_mac, source, asked.source, 547, 546, said))


def _advertisement(frame: bytes, asker: Asker) -> bytes | None:
    """The first router's: the others say by themselves that they are there."""
    if not router_advertisement.is_solicitation(frame) or frame[6:12] != mac_bytes(asker.lease.mac):
        return None
    switch = asker.switch
    return router_advertisement.advertisement(
        switch.advertisers[0],
        switch.told,
        asker.mtu,
        has_dhcp=switch.has_dhcp,
        target=(router_advertisement.ALL_NODES[0], frame[6:12].hex(":")),
    )


def _dns(frame: bytes, asker: Asker) -> bytes | None:
    asked, zone = parse_datagram(frame), asker.services.zone
    if asked is None or zone is None or asked.source_mac != asker.lease.mac:
        return None
    said = names.answer(asked.payload, zone)
    if said is None:
        return None
    ends = asked.target, asked.source, asked.target_port, asked.source_port
    return emit_datagram(Datagram(asker.switch.mac, asked.source_mac, *ends, said))


def _address(switch: ServedSwitch, version: int) -> str:
    found = (one.partition("/")[0] for one in switch.addresses)
    return next((one for one in found if (":" in one) == (version == 6)), "")
