"""UDP in IP in Ethernet, as far as services need it: whole datagrams without extension headers.

UDP checksums of what comes are not looked at, since a workload's kernel may have left them to its device.
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import error, pack, unpack_from
from typing import Final, NamedTuple

from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_UDP

ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES, UDP_BYTES = 14, 20, 40, 8
TTL: Final = 64
FRAGMENT: Final = 0x3FFF
"""More fragments, and the offset (RFC 791 section 3.1)."""


class Datagram(NamedTuple):
    """MAC addresses with colons, IP addresses as text."""

    source_mac: str
    target_mac: str
    source: str
    target: str
    source_port: int
    target_port: int
    payload: bytes


def parse_datagram(frame: bytes) -> Datagram | None:
    """The datagram in a frame; None for anything else, and for what is cut off or broken."""
    try:
        (eth_type,) = unpack_from("!H", frame, 12)
        if eth_type == ETH_IPV4:
            found = _of_ipv4(frame)
        elif eth_type == ETH_IPV6:
            found = _of_ipv6(frame)
        else:
            return None
        if found is None:
            return None
        source, target, body = found
        source_port, target_port, length, _ = unpack_from("!HHHH", body)
    except error:
        return None
    if not UDP_BYTES <= length <= len(body):
        return None
    payload = body[UDP_BYTES:length]
    return Datagram(
        frame[6:12].hex(":"), frame[:6].hex(":"), source, target, source_port, target_port, payload
    )


def emit_datagram(one: Datagram) -> bytes:
    """The frame of a datagram, with its checksums."""
    source, target = ip_address(one.source), ip_address(one.target)
    length = UDP_BYTES + len(one.payload)
    udp = pack("!HHHH", one.source_port, one.target_port, length, 0) + one.payload
    pseudo = source.packed + target.packed + pack("!IHBB", length, 0, 0, PROTO_UDP)
    # RFC 768: a sum of zero is sent as its complement.
    udp = udp[:6] + pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    macs = mac_bytes(one.target_mac) + mac_bytes(one.source_mac)
    if source.version == 4:
        head = pack("!BBHHHBBH", 0x45, 0, IPV4_BYTES + length, 0, 0x4000, TTL, PROTO_UDP, 0)
        head += source.packed + target.packed
        head = head[:10] + pack("!H", checksum(head)) + head[12:]
        return macs + pack("!H", ETH_IPV4) + head + udp
    head = pack("!IHBB", 6 << 28, length, PROTO_UDP, TTL) + source.packed + target.packed
    return macs + pack("!H", ETH_IPV6) + head + udp


def checksum(data: bytes) -> int:
    """RFC 1071."""
    even = data + bytes(len(data) % 2)
    total: int = sum(unpack_from(f"!{len(even) // 2}H", even))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac_bytes(mac: str) -> bytes:
    """The six bytes of a MAC address with colons."""
    return bytes.fromhex(mac.replace(":", ""))


def _of_ipv4(frame: bytes) -> tuple[str, str, bytes] | None:
    packet = frame[ETHERNET_BYTES:]
    first, _, size, _, fragment, _, protocol = unpack_from("!BBHHHBB", packet)
    head = (first & 15) * 4
    if first >> 4 != 4 or head < IPV4_BYTES or not head <= size <= len(packet):
        return None
    if fragment & FRAGMENT or protocol != PROTO_UDP or checksum(packet[:head]) != 0:
        return None
    return str(ip_address(packet[12:16])), str(ip_address(packet[16:20])), packet[head:size]


def _of_ipv6(frame: bytes) -> tuple[str, str, bytes] | None:
    packet = frame[ETHERNET_BYTES:]
    first, size, following = unpack_from("!IHB", packet)
    if first >> 28 != 6 or following != PROTO_UDP or len(packet) < IPV6_BYTES + size:
        return None
    body = packet[IPV6_BYTES : IPV6_BYTES + size]
    return str(ip_address(packet[8:24])), str(ip_address(packet[24:40])), body
