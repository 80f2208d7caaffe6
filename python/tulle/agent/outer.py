"""What the underlay shows of a tunnel's packet: which encapsulation, between whom, with what context.

For people who look at captured packets.  Only the switch's own code decides what a packet is.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from msgspec import Struct

ETHERNET, VLAN_TYPE = 14, 0x8100
IPV4, IPV6 = 0x0800, 0x86DD
TCP, UDP, GRE = 6, 17, 47
UDP_BYTES: Final = 8
STT_PORT: Final = 7471
UDP_PORTS: Final = {4789: "vxlan", 6081: "geneve"}
CHECKSUMMED, KEYED, BRIDGED = 0x8000, 0x2000, 0x6558
CHECKSUMMED_KEYED_NUMBERED: Final = (0x8000, 0x2000, 0x1000)
NO_CONTEXT: Final = -1
NO_FRAME: Final = -1


class Outer(Struct, frozen=True):
    """`context` is NO_CONTEXT for the later segments of an STT frame, which carry none.

    `inner` is where the frame inside begins, NO_FRAME where none does, `header` where the tunnel's own header does.
    """

    encapsulation: str
    source: str
    target: str
    context: int
    inner: int
    header: int = NO_FRAME


def outer(frame: bytes) -> Outer | None:
    """The outer headers of an Ethernet frame; None when it is no tunnel's."""
    found = _network(frame)
    if found is None:
        return None
    source, target, protocol, at = found
    kind, context, inner = _transport(protocol, frame, at)
    header = at + UDP_BYTES if protocol == UDP else NO_FRAME
    return None if kind is None else Outer(kind, source, target, context, inner, header)


def _network(frame: bytes) -> tuple[str, str, int, int] | None:
    """Addresses, protocol, and where its header begins."""
    at = ETHERNET
    if int.from_bytes(frame[12:14]) == VLAN_TYPE:
        at += 4
    kind = int.from_bytes(frame[at - 2 : at])
    if kind == IPV4 and len(frame) >= at + 20:
        source, target = IPv4Address(frame[at + 12 : at + 16]), IPv4Address(frame[at + 16 : at + 20])
        return str(source), str(target), frame[at + 9], at + 4 * (frame[at] & 15)
    if kind == IPV6 and len(frame) >= at + 40:
        first, second = IPv6Address(frame[at + 8 : at + 24]), IPv6Address(frame[at + 24 : at + 40])
        return str(first), str(second), frame[at + 6], at + 40
    return None


def _transport(protocol: int, frame: bytes, at: int) -> tuple[str | None, int, int]:
    """Encapsulation, context, and where the frame inside begins."""
    port = int.from_bytes(frame[at + 2 : at + 4])
    if protocol == UDP and port in UDP_PORTS and len(frame) >= at + 16:
        options = 4 * (frame[at + 8] & 0x3F) if UDP_PORTS[port] == "geneve" else 0
        return UDP_PORTS[port], int.from_bytes(frame[at + 12 : at + 15]), at + 16 + options
    if protocol == TCP and port == STT_PORT and len(frame) >= at + 20:
        is_first = int.from_bytes(frame[at + 4 : at + 8]) & 0xFFFF == 0  # offset of the segment in its frame
        if not is_first or len(frame) < at + 38:
            return "stt", NO_CONTEXT, NO_FRAME
        return "stt", int.from_bytes(frame[at + 28 : at + 36]), at + 38
    if protocol == GRE and len(frame) >= at + 8:
        flags, kind = int.from_bytes(frame[at : at + 2]), int.from_bytes(frame[at + 2 : at + 4])
        if kind == BRIDGED:
            fields = sum(4 for flag in CHECKSUMMED_KEYED_NUMBERED if flags & flag)
            return "gre", _key(flags, frame[at + 4 :]), at + 4 + fields
    return None, NO_CONTEXT, NO_FRAME


def _key(flags: int, fields: bytes) -> int:
    """The key of a GRE header, behind its checksum if it has one (RFC 2890 section 2); 0 without."""
    at = 4 if flags & CHECKSUMMED else 0
    return int.from_bytes(fields[at : at + 4]) if flags & KEYED else 0
