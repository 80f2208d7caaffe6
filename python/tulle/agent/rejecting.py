"""What the sender of a rejected packet is told: that its connection is refused, as the host itself would say.

TCP is reset (RFC 9293 section 3.10.7.1); to all else ICMP says that the port is unreachable (RFC 792,
RFC 4443 section 3.1), where RFC 1122 section 3.2.2 and RFC 4443 section 2.4 allow an answer.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from struct import pack, unpack_from
from typing import Final, NamedTuple

from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_TCP

ETHERNET_BYTES: Final = 14
IPV4_BYTES, IPV6_BYTES, TCP_BYTES = 20, 40, 20
FIN, SYN, RST, ACK = 1, 2, 4, 16
TTL: Final = 64
PORT_UNREACHABLE: Final = {4: 3, 6: 4}
BROADCAST: Final = IPv4Address("255.255.255.255")
IcmpError = Callable[[bytes, str, str, str], bytes | None]


class Segment(NamedTuple):
    """A TCP segment: addresses as bytes, `length` of the data in bytes."""

    source: bytes
    target: bytes
    source_port: int
    target_port: int
    sequence: int
    acknowledged: int
    flags: int
    length: int


def rejection(frame: bytes, icmp_error: IcmpError) -> bytes | None:
    """The answer to a rejected frame, or None where none is due."""
    if len(frame) < ETHERNET_BYTES + IPV4_BYTES:
        return None
    version = {ETH_IPV4: 4, ETH_IPV6: 6}.get(unpack_from("!H", frame, 12)[0])
    if version is None or (version == 6 and len(frame) < ETHERNET_BYTES + IPV6_BYTES):
        return None
    if not _is_between_hosts(frame, version):
        return None
    protocol = frame[ETHERNET_BYTES + (9 if version == 4 else 6)]
    if protocol == PROTO_TCP:
        segment = _segment(frame[ETHERNET_BYTES:], version)
        return _reset(frame, segment, version) if segment is not None else None
    return _unreachable(frame, version, icmp_error)


def _is_between_hosts(frame: bytes, version: int) -> bool:
    """Whether both ends are single hosts: nobody answers to or for a group (RFC 1122 sections 3.2.2, 4.2.3.10)."""
    start, size = ETHERNET_BYTES + (12 if version == 4 else 8), 4 if version == 4 else 16
    ends = (ip_address(frame[at : at + size]) for at in (start, start + size))
    return not (frame[0] | frame[6]) & 1 and not any(
        end.is_multicast or end.is_unspecified or end == BROADCAST for end in ends
    )


def _unreachable(frame: bytes, version: int, icmp_error: IcmpError) -> bytes | None:
    """As the host to which it was sent; the native side says "host", one code beside "port"."""
    start = ETHERNET_BYTES + (16 if version == 4 else 24)
    address = _text(frame[start : start + (4 if version == 4 else 16)])
    made = icmp_error(frame, "host-unreachable", frame[:6].hex(":"), address)
    if made is None:
        return None
    at = ETHERNET_BYTES + (IPV4_BYTES if version == 4 else IPV6_BYTES)
    old, new = made[at + 1], PORT_UNREACHABLE[version]
    (checksum,) = unpack_from("!H", made, at + 2)
    # RFC 1624: the code is the lower half of the first word.
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return made[: at + 1] + bytes([new]) + pack("!H", ~total & 0xFFFF) + made[at + 4 :]


def _segment(packet: bytes, version: int) -> Segment | None:
    """The segment of a whole IP packet; None for fragments and what is cut off."""
    if version == 4:
        header, size = (packet[0] & 15) * 4, unpack_from("!H", packet, 2)[0]
        fragment = unpack_from("!H", packet, 6)[0] & 0x3FFF
        source, target = packet[12:16], packet[16:20]
        if fragment:
            return None
    else:
        header, size = IPV6_BYTES, IPV6_BYTES + unpack_from("!H", packet, 4)[0]
        source, target = packet[8:24], packet[24:40]
    if header < IPV4_BYTES or len(packet) < header + TCP_BYTES or size < header + TCP_BYTES:
        return None
    ports = unpack_from("!HHIIBB", packet, header)
    length = max(0, size - header - (ports[4] >> 4) * 4)
    return Segment(source, target, ports[0], ports[1], ports[2], ports[3], ports[5], length)


def _reset(frame: bytes, segment: Segment, version: int) -> bytes | None:
    if segment.flags & RST:
        return None
    if segment.flags & ACK:
        sequence, acknowledged, flags = segment.acknowledged, 0, RST
    else:
        taken = segment.length + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        sequence, acknowledged, flags = 0, (segment.sequence + taken) & 0xFFFF_FFFF, RST | ACK
    ends = (segment.target_port, segment.source_port)
    tcp = pack("!HHIIBBHHH", *ends, sequence, acknowledged, TCP_BYTES // 4 << 4, flags, 0, 0, 0)
    pseudo = segment.target + segment.source + pack("!II", TCP_BYTES, PROTO_TCP)
    tcp = tcp[:16] + pack("!H", _checksum(pseudo + tcp)) + tcp[18:]
    return frame[6:12] + frame[:6] + frame[12:14] + _header(segment, version) + tcp


def _header(segment: Segment, version: int) -> bytes:
    """The IP header of the answer."""
    ends = segment.target + segment.source
    if version == 6:
        return pack("!IHBB", 6 << 28, TCP_BYTES, PROTO_TCP, TTL) + ends
    header = pack("!BBHHHBBH", 0x45, 0, IPV4_BYTES + TCP_BYTES, 0, 0x4000, TTL, PROTO_TCP, 0) + ends
    return header[:10] + pack("!H", _checksum(header)) + header[12:]


def _checksum(data: bytes) -> int:
    """RFC 1071; the data are a whole number of words here."""
    total: int = sum(unpack_from(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _text(address: bytes) -> str:
    return str(ip_address(address))
