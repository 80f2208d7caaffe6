"""Frames in words, and frames out of words; a small reading of its own, not that of the product."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import unpack_from

from tulle._native import emit_frame

ICMP = {0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
ICMP6 = {
    1: "unreachable",
    3: "time exceeded",
    128: "echo request",
    129: "echo reply",
    133: "router solicitation",
    134: "router advertisement",
    135: "solicitation",
    136: "advertisement",
}
ARP = {1: "request", 2: "reply"}
PORTS = {6: "tcp", 17: "udp"}


def describe(frame: bytes) -> str:
    """One line: what it is, and between which MAC addresses."""
    macs = f"{_mac(frame, 6)} > {_mac(frame, 0)}"
    (eth_type,) = unpack_from("!H", frame, 12)
    readers = {0x0800: _ipv4, 0x0806: _arp, 0x86DD: _ipv6}
    reader = readers.get(eth_type)
    return f"{reader(frame[14:]) if reader else f'type {eth_type:#06x}'}, {macs}"


def frame_of(words: str, mac: str) -> bytes:
    """A frame from a match in `ovs-ofctl` syntax; `mac` sends it unless `dl_src` says otherwise.

    Of neighbour discovery, `nd_target` and `nd_sll` are understood.
    """
    parts = [part.strip() for part in words.split(",")]
    discovery = dict(part.split("=") for part in parts if part.startswith("nd_"))
    rest = [part for part in parts if not part.startswith("nd_")]
    if not any(part.startswith("dl_src=") for part in rest):
        rest.append(f"dl_src={mac}")
    return emit_frame(",".join(rest), _discovery(discovery))


def _discovery(fields: dict[str, str]) -> bytes | None:
    if not fields:
        return None
    option = b"\x01\x01" + bytes.fromhex(fields["nd_sll"].replace(":", "")) if "nd_sll" in fields else b""
    return ip_address(fields["nd_target"]).packed + option


def _mac(data: bytes, at: int) -> str:
    return data[at : at + 6].hex(":")


def _arp(body: bytes) -> str:
    (operation,) = unpack_from("!H", body, 6)
    sender, target = IPv4Address(body[14:18]), IPv4Address(body[24:28])
    said = f"arp {ARP.get(operation, operation)} {sender} ({_mac(body, 8)}) to {target}"
    return said if operation == 1 else f"{said} ({_mac(body, 18)})"


def _ipv4(body: bytes) -> str:
    header = (body[0] & 15) * 4
    ends = IPv4Address(body[12:16]), IPv4Address(body[16:20])
    return _transport(body[9], ends, body[8], body[header:])


def _ipv6(body: bytes) -> str:
    ends = IPv6Address(body[8:24]), IPv6Address(body[24:40])
    return _transport(body[6], ends, body[7], body[40:])


def _transport(
    protocol: int, ends: tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address], ttl: int, body: bytes
) -> str:
    if protocol in PORTS:
        ports = unpack_from("!HH", body)
        return f"{PORTS[protocol]} {ends[0]} port {ports[0]} > {ends[1]} port {ports[1]}, ttl {ttl}"
    said = f"{ends[0]} > {ends[1]}, ttl {ttl}"
    if protocol == 1:
        return f"icmp {ICMP.get(body[0], body[0])} {said}"
    if protocol == 58:
        return f"icmp6 {ICMP6.get(body[0], body[0])}{_neighbour(body)} {said}"
    return f"protocol {protocol} {said}"


def _neighbour(body: bytes) -> str:
    """RFC 4861 sections 4.3 and 4.4: target, flags of an advertisement, and the link-layer option."""
    if body[0] not in (135, 136):
        return ""
    said = f" of {IPv6Address(body[8:24])}"
    if body[0] == 136:
        flags = "".join(letter for letter, bit in (("R", 128), ("S", 64), ("O", 32)) if body[4] & bit)
        said += f" flags {flags}"
    if len(body) >= 32:
        said += f" option {body[24]} {_mac(body, 26)}"
    return said
