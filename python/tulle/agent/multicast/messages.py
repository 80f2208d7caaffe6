"""IGMP (RFC 1112, RFC 2236, RFC 3376) and MLD (RFC 2710, RFC 3810): what frames say of groups.  Pure.

Sources are not told apart: who wants a group from some sources gets it from all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from struct import pack, unpack_from
from typing import Final

from msgspec import Struct

from tulle.agent.services.datagram import checksum, mac_bytes
from tulle.agent.services.router_advertisement import link_local
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_ICMP6, PROTO_IGMP

ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES = 14, 20, 40
HOP_BY_HOP: Final = 0
QUERY4, REPORT4_V1, REPORT4_V2, LEAVE4, REPORT4_V3 = 0x11, 0x12, 0x16, 0x17, 0x22
QUERY6, REPORT6_V1, DONE6, REPORT6_V2 = 130, 131, 132, 143
IS_INCLUDE, IS_EXCLUDE, TO_INCLUDE, TO_EXCLUDE, ALLOW, BLOCK = range(1, 7)
RECORDS_MAX: Final = 256
ALL_HOSTS4, ALL_HOSTS6 = "224.0.0.1", "ff02::1"
ROUTER_ALERT4: Final = bytes((0x94, 4, 0, 0))
ROUTER_ALERT6: Final = bytes((PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0))
"""A hop-by-hop header with the option of RFC 2711 and padding."""
ROBUSTNESS: Final = 2
CODE_MAX: Final = 127
"""Longer times are written as floating point, which nobody needs here (RFC 3376 section 4.1.1)."""


class Heard(Struct, frozen=True):
    """What a message says: a question of a router, or groups that its sender joins and leaves."""

    is_query: bool = False
    is_of_router: bool = False
    """Whether the question is one of a router's: who asks without an address is a switch (RFC 4541 section 2.1.1)."""
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def parse_message(frame: bytes) -> Heard | None:
    """What a frame says, None if it is nothing of the kind or cut off."""
    try:
        return _parse(frame)
    except (IndexError, ValueError, struct.error):
        return None


def _parse(frame: bytes) -> Heard | None:
    (kind,) = unpack_from("!H", frame, 12)
    packet = frame[ETHERNET_BYTES:]
    if kind == ETH_IPV4 and packet[9] == PROTO_IGMP:
        return _igmp(packet[(packet[0] & 15) * 4 :], packet[12:16])
    if kind == ETH_IPV6:
        at, following = IPV6_BYTES, packet[6]
        if following == HOP_BY_HOP:
            following, at = packet[at], at + 8 + packet[at + 1] * 8
        if following == PROTO_ICMP6:
            return _mld(packet[at:])
    return None


def _igmp(message: bytes, source: bytes) -> Heard | None:
    kind = message[0]
    if kind == QUERY4:
        return Heard(is_query=True, is_of_router=any(source))
    if kind in (REPORT4_V1, REPORT4_V2):
        return Heard(joined=_groups([message[4:8]]))
    if kind == LEAVE4:
        return Heard(left=_groups([message[4:8]]))
    return _records(message, 4) if kind == REPORT4_V3 else None


def _mld(message: bytes) -> Heard | None:
    kind = message[0]
    if kind == QUERY6:
        return Heard(is_query=True, is_of_router=True)
    if kind == REPORT6_V1:
        return Heard(joined=_groups([message[8:24]]))
    if kind == DONE6:
        return Heard(left=_groups([message[8:24]]))
    return _records(message, 16) if kind == REPORT6_V2 else None


def _records(message: bytes, size: int) -> Heard:
    """RFC 3376 section 4.2, RFC 3810 section 5.2: the same form with addresses of another size."""
    (count,) = unpack_from("!H", message, 6)
    joined, left, at = [], [], 8
    for _ in range(min(count, RECORDS_MAX)):
        kind, auxiliary, sources = unpack_from("!BBH", message, at)
        group = message[at + 4 : at + 4 + size]
        at += 4 + size + sources * size + auxiliary * 4
        if kind in (IS_EXCLUDE, TO_EXCLUDE, ALLOW) or (kind in (IS_INCLUDE, TO_INCLUDE) and sources):
            joined.append(group)
        elif kind in (IS_INCLUDE, TO_INCLUDE):
            left.append(group)
    return Heard(joined=_groups(joined), left=_groups(left))


def _groups(found: list[bytes]) -> tuple[str, ...]:
    return tuple(_usable(found))


def _usable(found: list[bytes]) -> Iterator[str]:
    """Those that are groups, and that not everybody gets anyway."""
    for octets in found:
        address = ip_address(octets)
        link_local = octets[:3] == b"\xe0\0\0" if address.version == 4 else octets[1] & 15 in (0, 1, 2)
        if address.is_multicast and not link_local:
            yield str(address)


def emit_query(version: int, source_mac: str, every_s: int, group: str | None = None) -> bytes:
    """A question for all groups, or for one, as the current protocols have it, to be answered within 10 s at most.

    IPv4 has no source address, since a switch asks (RFC 4541 section 2.1.1).
    """
    wait_s = max(1, min(10, every_s)) if group is None else 1
    return (
        _igmp_query(source_mac, every_s, wait_s, group)
        if version == 4
        else _mld_query(source_mac, every_s, wait_s, group)
    )


def _igmp_query(mac: str, every_s: int, wait_s: int, group: str | None) -> bytes:
    asked = bytes(4) if group is None else ip_address(group).packed
    tail = asked + pack("!BBH", ROBUSTNESS, min(every_s, CODE_MAX), 0)
    body = pack("!BBH", QUERY4, wait_s * 10, 0) + tail
    body = pack("!BBH", QUERY4, wait_s * 10, checksum(body)) + tail
    target = ip_address(group or ALL_HOSTS4).packed
    size = IPV4_BYTES + len(ROUTER_ALERT4) + len(body)
    header = pack("!BBHHHBBH", 0x46, 0xC0, size, 0, 0, 1, PROTO_IGMP, 0) + bytes(4) + target + ROUTER_ALERT4
    header = header[:10] + pack("!H", checksum(header)) + header[12:]
    ethernet = b"\x01\0\x5e" + bytes((target[1] & 0x7F,)) + target[2:] + mac_bytes(mac) + pack("!H", ETH_IPV4)
    return ethernet + header + body


def _mld_query(mac: str, every_s: int, wait_s: int, group: str | None) -> bytes:
    asked = bytes(16) if group is None else ip_address(group).packed
    own, source = mac_bytes(mac), link_local(mac).packed
    target = ip_address(group or ALL_HOSTS6).packed
    tail = pack("!HH", wait_s * 1000, 0) + asked + pack("!BBH", ROBUSTNESS, min(every_s, CODE_MAX), 0)
    body = pack("!BBH", QUERY6, 0, 0) + tail
    pseudo = source + target + pack("!II", len(body), PROTO_ICMP6)
    body = pack("!BBH", QUERY6, 0, checksum(pseudo + body)) + tail
    size = len(ROUTER_ALERT6) + len(body)
    header = pack("!IHBB", 6 << 28, size, HOP_BY_HOP, 1) + source + target
    return b"\x33\x33" + target[12:] + own + pack("!H", ETH_IPV6) + header + ROUTER_ALERT6 + body
