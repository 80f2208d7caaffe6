"""Feature: a workload that may speak only as itself.

MAC address, ARP (RFC 826) and neighbour discovery (RFC 4861), IPv4 and IPv6 sources; it is neither a DHCP
server nor a router.  It may ask before it has an address: DHCP (RFC 2131), ARP probes (RFC 5227), duplicate
address detection and router solicitations (RFC 4862, RFC 4861), listener reports (RFC 3810).
A port without addresses is bound to its MAC address alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any, Final

from tulle.values import FieldMatch, Flow, LogicalPort, LogicalSwitch, Resubmit, fields, flow
from tulle.values.pipeline import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    FROM_PORT_ACL,
    ND_SECURITY,
    PORT_SECURITY,
    PROTO_ICMP6,
    PROTO_UDP,
)

from .view import Station, View

NO_MAC: Final = "00:00:00:00:00:00"
UDP4: Final[dict[str, Any]] = {"dl_type": ETH_IPV4, "nw_proto": PROTO_UDP}
UDP6: Final[dict[str, Any]] = {"dl_type": ETH_IPV6, "nw_proto": PROTO_UDP}
ICMP6: Final[dict[str, Any]] = {"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6}
ONWARD: Final = (Resubmit(FROM_PORT_ACL),)
# Of these only a router or a server sends: RFC 2131, RFC 8415, RFC 4861 sections 4.2 and 4.5.
FORBIDDEN: Final[tuple[dict[str, Any], ...]] = (
    {**UDP4, "udp_src": 67},
    {**UDP6, "udp_src": 547},
    {**ICMP6, "icmpv6_type": 134},
    {**ICMP6, "icmpv6_type": 137},
)
SOLICITATION, ADVERTISEMENT = 135, 136


def port_security_flows(view: View, _switch: LogicalSwitch, station: Station) -> Iterator[Flow]:
    """The flows of a port that is bound to its addresses."""
    if station.port is not None and station.port.port_security:
        yield from _port(view, station.port)
        yield flow(ND_SECURITY, 0, (), ONWARD, "port security")


def link_local(mac: str) -> str:
    """The link-local address that follows from a MAC address (RFC 4291 appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + identifier))


def _port(view: View, port: LogicalPort) -> Iterator[Flow]:
    owner = view.owner("port security", port.name)
    at = fields(metadata=view.datapath(port.switch), reg14=view.key(port.switch, port.name))
    own = fields(at, dl_src=port.mac)
    yield flow(PORT_SECURITY, 0, at, (), owner)
    yield flow(PORT_SECURITY, 10, own, ONWARD, owner)
    yield from _arp(own, port, owner)
    for forbidden in FORBIDDEN:
        yield flow(PORT_SECURITY, 110, fields(own, **forbidden), (), owner)
    if port.addresses:
        for eth_type in (ETH_IPV4, ETH_IPV6):
            yield flow(PORT_SECURITY, 20, fields(own, dl_type=eth_type), (), owner)
        yield from _ipv4(own, port, owner)
        yield from _ipv6(own, port, owner)
    yield from _neighbours(at, port, owner)


def _arp(own: tuple[FieldMatch, ...], port: LogicalPort, owner: str) -> Iterator[Flow]:
    yield flow(PORT_SECURITY, 20, fields(own, dl_type=ETH_ARP), (), owner)
    said = fields(own, dl_type=ETH_ARP, arp_sha=port.mac)
    if not port.addresses:
        yield flow(PORT_SECURITY, 100, said, ONWARD, owner)
    for address in ("0.0.0.0", *_of(port, 4)) if port.addresses else ():
        yield flow(PORT_SECURITY, 100, fields(said, arp_spa=address), ONWARD, owner)


def _ipv4(own: tuple[FieldMatch, ...], port: LogicalPort, owner: str) -> Iterator[Flow]:
    for address in _of(port, 4):
        yield flow(PORT_SECURITY, 100, fields(own, dl_type=ETH_IPV4, nw_src=address), ONWARD, owner)
    asks = fields(own, nw_src="0.0.0.0", nw_dst="255.255.255.255", udp_src=68, udp_dst=67, **UDP4)
    yield flow(PORT_SECURITY, 100, asks, ONWARD, owner)


def _ipv6(own: tuple[FieldMatch, ...], port: LogicalPort, owner: str) -> Iterator[Flow]:
    further = (Resubmit(ND_SECURITY),)
    for address in _sources6(port):
        yield flow(PORT_SECURITY, 100, fields(own, dl_type=ETH_IPV6, ipv6_src=address), further, owner)
    for kind in (133, SOLICITATION, 143):
        match = fields(own, ipv6_src="::", icmpv6_type=kind, **ICMP6)
        yield flow(PORT_SECURITY, 100, match, further, owner)


def _neighbours(at: tuple[FieldMatch, ...], port: LogicalPort, owner: str) -> Iterator[Flow]:
    """What a port says about MAC addresses in neighbour discovery; a MAC of zeros is none."""
    for kind in (SOLICITATION, ADVERTISEMENT):
        yield flow(ND_SECURITY, 90, fields(at, icmpv6_type=kind, **ICMP6), (), owner)
    for mac in (port.mac, NO_MAC):
        asked = fields(at, icmpv6_type=SOLICITATION, nd_sll=mac, **ICMP6)
        yield flow(ND_SECURITY, 100, asked, ONWARD, owner)
        for address in _sources6(port):
            told = fields(at, icmpv6_type=ADVERTISEMENT, nd_target=address, nd_tll=mac, **ICMP6)
            yield flow(ND_SECURITY, 100, told, ONWARD, owner)


def _sources6(port: LogicalPort) -> tuple[str, ...]:
    return (*_of(port, 6), link_local(port.mac))


def _of(port: LogicalPort, version: int) -> tuple[str, ...]:
    return tuple(one for one in port.addresses if (":" in one) == (version == 6))
