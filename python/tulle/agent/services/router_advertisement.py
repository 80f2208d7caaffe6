"""Router advertisements (RFC 4861 section 4.2, DNS of RFC 8106) and the solicitations that ask for them."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address
from struct import error, pack, unpack_from
from typing import Final

from tulle.values import Advertiser, Told
from tulle.values.pipeline import ETH_IPV6, PROTO_ICMP6

from .datagram import ETHERNET_BYTES, IPV6_BYTES, checksum, mac_bytes
from .dhcp6 import domain_name

SOLICITATION, ADVERTISEMENT = 133, 134
HOP_LIMIT: Final = 255
"""Whatever has less was forwarded by a router (RFC 4861 section 6.1.1)."""
WORKLOADS_HOP_LIMIT: Final = 64
LIFETIME_S: Final = 1800
VALID_S, PREFERRED_S = 2_592_000, 604_800
MANAGED, OTHER = 0x80, 0x40
ON_LINK, AUTONOMOUS = 0x80, 0x40
SOURCE_LINK_LAYER, PREFIX, MTU, DNS_SERVERS, DNS_DOMAINS = 1, 3, 5, 25, 31
LEAST_MTU: Final = 1280
ALL_NODES: Final = ("ff02::1", "33:33:00:00:00:01")


def is_solicitation(frame: bytes) -> bool:
    """Whether a frame asks for advertisements, by all that RFC 4861 section 6.1.1 demands."""
    try:
        eth_type, first, size, following, hops = unpack_from("!HIHBB", frame, 12)
    except error:
        return False
    body = frame[ETHERNET_BYTES + IPV6_BYTES :][:size]
    if (eth_type, first >> 28, following, hops) != (ETH_IPV6, 6, PROTO_ICMP6, HOP_LIMIT):
        return False
    if size < 8 or len(body) < size or body[:2] != bytes([SOLICITATION, 0]):
        return False
    source, target = frame[22:38], frame[38:54]
    if checksum(source + target + pack("!IHBB", size, 0, 0, PROTO_ICMP6) + body) != 0:
        return False
    return _options_fit(body[8:], nobody=not any(source))


def _options_fit(data: bytes, *, nobody: bool) -> bool:
    at = 0
    while at < len(data):
        if at + 8 > len(data) or data[at + 1] == 0 or at + 8 * data[at + 1] > len(data):
            return False
        if nobody and data[at] == SOURCE_LINK_LAYER:
            return False
        at += 8 * data[at + 1]
    return True


def advertisement(
    one: Advertiser,
    told: Told,
    mtu: int,
    *,
    has_dhcp: bool,
    target: tuple[str, str] = ALL_NODES,
    ends: bool = False,
) -> bytes:
    """The frame, to an IP and a MAC address; with `ends` the router says that it is none any more."""
    flags = MANAGED | OTHER if one.managed else OTHER if has_dhcp else 0
    body = pack("!BBHBBHII", ADVERTISEMENT, 0, 0, WORKLOADS_HOP_LIMIT, flags, 0 if ends else LIFETIME_S, 0, 0)
    body += bytes([SOURCE_LINK_LAYER, 1]) + mac_bytes(one.mac)
    if mtu >= LEAST_MTU:
        body += pack("!BBHI", MTU, 1, 0, mtu)
    for prefix in one.prefixes:
        body += _prefix(IPv6Network(prefix), managed=one.managed)
    body += _names(told)
    source = link_local(one.mac)
    goal = IPv6Address(target[0])
    pseudo = source.packed + goal.packed + pack("!IHBB", len(body), 0, 0, PROTO_ICMP6)
    body = body[:2] + pack("!H", checksum(pseudo + body)) + body[4:]
    head = pack("!IHBB", 6 << 28, len(body), PROTO_ICMP6, HOP_LIMIT) + source.packed + goal.packed
    return mac_bytes(target[1]) + mac_bytes(one.mac) + pack("!H", ETH_IPV6) + head + body


def link_local(mac: str) -> IPv6Address:
    """RFC 4291 appendix A."""
    octets = mac_bytes(mac)
    return IPv6Address(
        b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    )


def _prefix(prefix: IPv6Network, *, managed: bool) -> bytes:
    flags = ON_LINK if managed else ON_LINK | AUTONOMOUS
    times = pack("!III", VALID_S, PREFERRED_S, 0)
    return pack("!BBBB", PREFIX, 4, prefix.prefixlen, flags) + times + prefix.network_address.packed


def _names(told: Told) -> bytes:
    servers = [one.packed for one in map(ip_address, told.dns) if one.version == 6]
    said = b""
    if servers:
        said += pack("!BBHI", DNS_SERVERS, 1 + 2 * len(servers), 0, LIFETIME_S) + b"".join(servers)
    if told.domain:
        name = domain_name(told.domain)
        name += bytes(-len(name) % 8)
        said += pack("!BBHI", DNS_DOMAINS, 1 + len(name) // 8, 0, LIFETIME_S) + name
    return said
