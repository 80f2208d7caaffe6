"""What a log line says of a frame.  Pure; of what is cut off or unknown it says less."""

from __future__ import annotations

from ipaddress import ip_address
from struct import unpack_from
from typing import Any

from tulle.values.pipeline import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMP6,
    PROTO_TCP,
    PROTO_UDP,
)

NAMES = {PROTO_TCP: "tcp", PROTO_UDP: "udp", PROTO_ICMP: "icmp", PROTO_ICMP6: "icmp6"}
Words = dict[str, Any]


def frame_words(frame: bytes) -> Words:
    """protocol, src, dst, and sport and dport or type and code, where there are any."""
    if len(frame) < 14:
        return {"protocol": "none"}
    (eth_type,) = unpack_from("!H", frame, 12)
    packet = frame[14:]
    if eth_type == ETH_IPV4 and len(packet) >= 20:
        later = unpack_from("!H", packet, 6)[0] & 0x1FFF
        body = b"" if later else packet[(packet[0] & 15) * 4 :]
        return _ip(packet[9], packet[12:16], packet[16:20], body)
    if eth_type == ETH_IPV6 and len(packet) >= 40:
        return _ip(packet[6], packet[8:24], packet[24:40], packet[40:])
    macs = {"src": frame[6:12].hex(":"), "dst": frame[:6].hex(":")}
    return {"protocol": "arp" if eth_type == ETH_ARP else f"{eth_type:#06x}", **macs}


def _ip(protocol: int, source: bytes, target: bytes, body: bytes) -> Words:
    said: Words = {
        "protocol": NAMES.get(protocol, str(protocol)),
        "src": str(ip_address(source)),
        "dst": str(ip_address(target)),
    }
    if protocol in (PROTO_TCP, PROTO_UDP) and len(body) >= 4:
        said["sport"], said["dport"] = unpack_from("!HH", body)
    if protocol in (PROTO_ICMP, PROTO_ICMP6) and len(body) >= 2:
        said["type"], said["code"] = body[0], body[1]
    return said
