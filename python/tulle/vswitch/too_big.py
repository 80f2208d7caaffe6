"""ICMP errors of the underlay that say that a packet of ours was too long: read, and nothing believed yet.

RFC 792 and RFC 1191 section 4 for IPv4, RFC 4443 section 3.2 for IPv6.  Pure.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

UNREACHABLE, FRAGMENTATION_NEEDED = 3, 4
PACKET_TOO_BIG = 2
DONT_FRAGMENT = 0x4000
OFFSET_BITS = 0x1FFF
TCP, UDP, GRE = 6, 17, 47
PLATEAUS = (32000, 17914, 8166, 4352, 2002, 1492, 1006, 508)
"""MTUs to try where a router of old does not say its own (RFC 1191 section 7.1)."""
HEADER_BYTES = 8
"""Of ICMP, and what IPv4 routers quote at least of what follows the IP header."""


class TooBig(Struct, frozen=True):
    """What a router claims: that a packet of `length` bytes from `local` to `remote` did not fit into `mtu`.

    `port` is the destination port that the packet had, 0 where its protocol has none.
    """

    local: str
    remote: str
    protocol: int
    port: int
    length: int
    mtu: int


def parse_v4(packet: bytes) -> TooBig | None:
    """From an IPv4 packet with an ICMP message in it; None for anything else or what does not add up."""
    start = 4 * (packet[0] & 15) if packet else 0
    message = packet[start:]
    if start < 20 or len(message) < HEADER_BYTES + 20:
        return None
    kind, code, _, _, mtu = struct.unpack_from("!BBHHH", message)
    if (kind, code) != (UNREACHABLE, FRAGMENTATION_NEEDED):
        return None
    quoted = message[HEADER_BYTES:]
    length, _, fragment, _, protocol = struct.unpack_from("!HHHBB", quoted, 2)
    inner = 4 * (quoted[0] & 15)
    if quoted[0] >> 4 != 4 or inner < 20 or not fragment & DONT_FRAGMENT or fragment & OFFSET_BITS:
        return None
    local, remote = (str(IPv4Address(quoted[at : at + 4])) for at in (12, 16))
    return _claim((local, remote), protocol, quoted[inner:], length, mtu or _plateau(length))


def parse_v6(message: bytes) -> TooBig | None:
    """From an ICMPv6 message without its IPv6 header; None for anything else or what does not add up."""
    if len(message) < HEADER_BYTES + 40:
        return None
    kind, code, _, mtu = struct.unpack_from("!BBHI", message)
    quoted = message[HEADER_BYTES:]
    if (kind, code) != (PACKET_TOO_BIG, 0) or quoted[0] >> 4 != 6:
        return None
    length, protocol = struct.unpack_from("!HB", quoted, 4)
    local, remote = (str(IPv6Address(quoted[at : at + 16])) for at in (8, 24))
    return _claim((local, remote), protocol, quoted[40:], 40 + length, mtu)


def _claim(ends: tuple[str, str], protocol: int, behind: bytes, length: int, mtu: int) -> TooBig | None:
    """A packet that would have fitted cannot have been too long."""
    if len(behind) < HEADER_BYTES or length <= mtu:
        return None
    port = struct.unpack_from("!H", behind, 2)[0] if protocol in (TCP, UDP) else 0
    return TooBig(*ends, protocol, port, length, mtu)


def _plateau(length: int) -> int:
    return next((mtu for mtu in PLATEAUS if mtu < length), PLATEAUS[-1])
