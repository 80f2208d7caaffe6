"""Which packet it is: what stays the same of one from port to port, however it is routed, translated and tunnelled.

MAC addresses, TTL and checksums change on the way, addresses and port numbers may, and a long TCP segment is cut.
What is left (sequence numbers of TCP, of other packets the beginning of what they carry) is hashed into a digest.
Pure, for people who look at packets: only the switch's own code decides what becomes of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct

from tulle.agent.services.datagram import checksum
from tulle.logical.match import NUMBERS, families
from tulle.values import Match

ETHERNET, VLAN_TYPES = 14, (0x8100, 0x88A8)
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
NAMES: Final = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp6"}
FLAGS: Final = ((2, "SYN"), (16, "ACK"), (1, "FIN"), (4, "RST"))
CARRIED: Final = 64
"""Bytes of what a packet carries that say which one it is, and that are left of it when it is shortened."""
LEAST: Final = {TCP: 20, UDP: 8, ICMP: 8, ICMP6: 8}
FAR: Final = {IPV4: "ip4", IPV6: "ip6", ARP: "arp"}
CHECKSUM_AT: Final = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}


class Headers(Struct, frozen=True):
    """`network` and `carried` are where the IP header, and what it carries, begin; later fragments have no ports.

    `ports` are those of TCP and UDP, or type and code of ICMP.
    """

    family: int
    protocol: int
    source: bytes
    target: bytes
    ports: tuple[int, int]
    network: int
    carried: int


def headers(frame: bytes) -> Headers | None:
    """The headers of an Ethernet frame, of which at least these must be there; None for what is neither IP nor ARP."""
    at = ETHERNET
    while int.from_bytes(frame[at - 2 : at]) in VLAN_TYPES:
        at += 4
    family = int.from_bytes(frame[at - 2 : at])
    if family == IPV4 and len(frame) >= at + 20:
        carried = at + 4 * (frame[at] & 15)
        is_later = int.from_bytes(frame[at + 6 : at + 8]) & 0x1FFF
        protocol = 0 if is_later else frame[at + 9]
        return _with_ports(
            frame, family, protocol, frame[at + 12 : at + 16], frame[at + 16 : at + 20], at, carried
        )
    if family == IPV6 and len(frame) >= at + 40:
        ends = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
        return _with_ports(frame, family, frame[at + 6], *ends, at, at + 40)
    if family == ARP and len(frame) >= at + 28:
        ends = frame[at + 14 : at + 18], frame[at + 24 : at + 28]
        return Headers(family, 0, *ends, (0, 0), at, at)
    return None


def digest(frame: bytes, found: Headers) -> str:
    """Eight bytes in hexadecimal, the same wherever the packet is seen.

    TCP that is sent again has the same digest, and so have packets that carry the same and are numbered alike.
    """
    at, known = found.carried, bytes([found.protocol])
    if found.protocol == TCP:
        # Of a segment that is cut, the last piece ends the connection; of one that carries nothing, itself.
        ends = bytes([frame[at + 13] & 7]) if _ends_with_headers(frame, found) else b""
        known += frame[at + 4 : at + 12] + ends
    elif found.protocol == UDP:
        known += frame[at + 4 : at + 6] + frame[at + 8 : at + 8 + CARRIED]
    elif found.protocol in (ICMP, ICMP6):
        # Not the identifier, which a translation may change.
        known += frame[at : at + 2] + frame[at + 6 : at + 8 + CARRIED]
    else:
        known += frame[at : at + CARRIED]
    if found.family == IPV4 and found.protocol != TCP:
        known += frame[found.network + 4 : found.network + 8]
    return blake2b(known, digest_size=8).hexdigest()


def described(frame: bytes, found: Headers) -> str:
    """A packet in a line, as in `tcp 10.0.1.11:43210 > 10.0.2.11:80 SYN`."""
    name = NAMES.get(found.protocol, "arp" if found.family == ARP else "ip")
    ends = [str(ip_address(one)) for one in (found.source, found.target)]
    if found.protocol in (TCP, UDP):
        shape = "{}:{}" if found.family == IPV4 else "[{}]:{}"
        ends = [shape.format(*one) for one in zip(ends, found.ports, strict=True)]
    said = f"{name} {ends[0]} > {ends[1]}"
    at = found.carried
    if found.protocol == TCP:
        flags = [word for bit, word in FLAGS if frame[at + 13] & bit]
        return f"{said} {' '.join(flags)} seq {int.from_bytes(frame[at + 4 : at + 8])}"
    if found.protocol in (ICMP, ICMP6):
        return f"{said} type {found.ports[0]} seq {int.from_bytes(frame[at + 6 : at + 8])}"
    return said


def fits(match: Match) -> Callable[[Headers], bool]:
    """Whether headers are those of a match without references."""
    kinds = families(match)
    nets = [None if one is None else ip_network(one) for one in (match.src, match.dst)]
    protocol = NUMBERS.get(match.protocol)
    numbers = (match.sport, match.dport) if protocol in (TCP, UDP) else (match.icmp_type, match.icmp_code)

    def passes(found: Headers) -> bool:
        return (
            FAR[found.family] in kinds
            and protocol in (None, found.protocol)
            and all(want in (None, is_) for want, is_ in zip(numbers, found.ports, strict=True))
            and all(
                net is None or ip_address(one) in net
                for net, one in zip(nets, (found.source, found.target), strict=True)
            )
        )

    return passes


def either_way(matches: Iterable[Match], *, translated: bool) -> Callable[[Headers], bool]:
    """Whether headers may be those of a packet of one of the matches somewhere on its way, or of its answer.

    Where addresses are `translated` only the protocol is looked at.
    """
    wanted = list(matches)
    if translated:
        kinds = {NUMBERS.get(one.protocol) for one in wanted}
        return lambda found: None in kinds or found.protocol in kinds
    forward = [fits(one) for one in wanted]
    back = [fits(_answer(one)) for one in wanted]
    return lambda found: any(one(found) for one in (*forward, *back))


def shortened(frame: bytes, found: Headers) -> bytes:
    """The frame with the first bytes of what it carries, and lengths and checksums that are right for these."""
    if found.family == ARP:
        return frame[: found.network + 28]
    head = _transport_bytes(frame, found)
    # A header that is not all there: nothing could be made right.
    out = bytearray(frame[: found.carried + head + CARRIED])
    at, length = found.network, len(out) - found.network
    if found.family == IPV4:
        claimed = int.from_bytes(frame[at + 2 : at + 4])
        length = min(length, claimed) if claimed >= found.carried - at else length
        del out[at + length :]
        out[at + 2 : at + 4] = length.to_bytes(2)
        out[at + 10 : at + 12] = bytes(2)
        out[at + 10 : at + 12] = checksum(bytes(out[at : found.carried])).to_bytes(2)
    else:
        out[at + 4 : at + 6] = (length - 40).to_bytes(2)
    return _checksummed(out, found)


def _checksummed(out: bytearray, found: Headers) -> bytes:
    """With the checksum of what it carries (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    at, length = found.carried, len(out) - found.carried
    if found.protocol not in CHECKSUM_AT or length < LEAST[found.protocol]:
        return bytes(out)
    if found.protocol == UDP:
        out[at + 4 : at + 6] = length.to_bytes(2)
    place = at + CHECKSUM_AT[found.protocol]
    out[place : place + 2] = bytes(2)
    numbers = length.to_bytes(4) + found.protocol.to_bytes(4)
    pseudo = b"" if found.protocol == ICMP else found.source + found.target + numbers
    out[place : place + 2] = (checksum(pseudo + bytes(out[at:])) or 0xFFFF).to_bytes(2)
    return bytes(out)


def frame_bytes(frame: bytes, found: Headers) -> int:
    """How long the frame is, as its IP header says, which padding does not count for; all of it where that says 0."""
    at = found.network
    if found.family == IPV4:
        length = int.from_bytes(frame[at + 2 : at + 4])
    elif found.family == IPV6:
        length = int.from_bytes(frame[at + 4 : at + 6])
        length += 40 if length else 0
    else:
        length = 28
    return at + length if length else len(frame)


def _ends_with_headers(frame: bytes, found: Headers) -> bool:
    return frame_bytes(frame, found) == found.carried + _transport_bytes(frame, found)


def _transport_bytes(frame: bytes, found: Headers) -> int:
    if found.protocol == TCP:
        return 4 * (frame[found.carried + 12] >> 4)
    return LEAST.get(found.protocol, 0)


def _with_ports(
    frame: bytes, family: int, protocol: int, source: bytes, target: bytes, network: int, carried: int
) -> Headers:
    """A header that is cut short is as good as none."""
    if len(frame) < carried + LEAST.get(protocol, 0):
        protocol = 0
    ports = (0, 0)
    if protocol in (TCP, UDP):
        ports = int.from_bytes(frame[carried : carried + 2]), int.from_bytes(frame[carried + 2 : carried + 4])
    elif protocol in (ICMP, ICMP6):
        ports = frame[carried], frame[carried + 1]
    return Headers(family, protocol, source, target, ports, network, carried)


def _answer(match: Match) -> Match:
    """What answers look like; of ICMP, any."""
    return Match(match.protocol, match.dst, match.src, match.dport, match.sport)
