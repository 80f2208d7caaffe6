"""The golden frames, checked by an implementation that is not ours: scapy.

Lengths and checksums are made anew by scapy and compared with the bytes; fields are compared with
what each block says. What the crates make of the same files is tested there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.fields import ByteField, ShortField, XByteField, XLongField, XShortField
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

HERE = Path(__file__).parent
STT_PORT = 7471
STT_LEN = 18


class Stt(Packet):
    """The STT frame header, draft-davie-stt-08 section 3.2."""

    name = "STT"
    fields_desc = [  # noqa: RUF012  scapy declares it so
        ByteField("version", 0),
        XByteField("flags", 0),
        ByteField("l4_offset", 0),
        ByteField("reserved", 0),
        ShortField("mss", 0),
        XShortField("vlan", 0),
        XLongField("context", 0),
        XShortField("padding", 0),
    ]


class Vector(dict[str, str]):
    """One block of a file."""

    def number(self, key: str) -> int:
        """The number of a key, decimal or 0x."""
        return int(self[key], 0)

    def frame(self, key: str) -> bytes:
        """The bytes of a key."""
        return b"".join(map(word_bytes, self[key].split()))


def word_bytes(word: str) -> bytes:
    """A hexadecimal word; ``61*20`` is the byte 61 twenty times."""
    digits, _, count = word.partition("*")
    return bytes.fromhex(digits) * int(count or 1)


def vectors(file: str) -> Iterator[Vector]:
    """All blocks of a file."""
    for block in (HERE / file).read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if vector := Vector(line.split(" = ", 1) for line in lines if line):
            yield vector


def cases(file: str) -> pytest.MarkDecorator:
    """One test case for each block of a file."""
    found = list(vectors(file))
    assert found, f"{file} holds no vector"
    return pytest.mark.parametrize("vector", found, ids=lambda vector: vector["name"])


def made_anew(frame: bytes, *fields: tuple[type[Packet], str]) -> bytes:
    """The frame with these fields computed by scapy."""
    packet = Ether(frame)
    for layer, field in fields:
        if layer in packet:
            packet[layer].delfieldval(field)
    return bytes(packet)


def folded_sum(data: bytes) -> int:
    """The one's complement sum of RFC 1071."""
    padded = data + bytes(len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2]) for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_sum(packet: Packet, protocol: int, length: int) -> int:
    """The sum of the IPv4 pseudo header."""
    ip = bytes(packet[IP])
    return folded_sum(ip[12:20] + protocol.to_bytes(2) + length.to_bytes(2))


def inner_without_tag(vector: Vector) -> tuple[bytes, int]:
    """The inner frame as STT carries it, and its VLAN field."""
    packet = Ether(vector.frame("inner"))
    if Dot1Q not in packet:
        return bytes(packet), 0
    tag = packet[Dot1Q]
    bare = Ether(src=packet.src, dst=packet.dst, type=tag.type) / tag.payload
    return bytes(bare), tag.prio << 13 | 0x1000 | tag.vlan


@cases("stt.txt")
def test_stt_outer_headers_are_a_tcp_segment_yet_to_be_cut(vector: Vector) -> None:
    frame = vector.frame("outer")
    assert made_anew(frame, (IP, "len"), (IP, "chksum")) == frame
    packet = Ether(frame)
    tcp, stt_len = packet[TCP], len(frame) - 54
    assert (tcp.dport, tcp.seq, tcp.ack) == (STT_PORT, stt_len << 16, vector.number("frame-id"))
    assert (str(tcp.flags), tcp.window, tcp.dataofs, tcp.urgptr) == ("PA", 0xFFFF, 5, 0)
    assert tcp.chksum == pseudo_sum(packet, 6, 20 + stt_len)
    assert vector["outer-gso"] == ("tcp4" if stt_len > vector.number("mtu") - 40 else "none")


@cases("stt.txt")
def test_stt_header_says_what_the_inner_frame_leaves_undone(vector: Vector) -> None:
    stt = Stt(vector.frame("outer")[54:])
    inner, vlan = inner_without_tag(vector)
    assert bytes(stt.payload) == inner
    assert (stt.version, stt.reserved, stt.padding) == (0, 0, 0)
    assert (stt.vlan, stt.context) == (vlan, vector.number("context"))
    packet = Ether(inner)
    if not vector.number("needs-csum"):
        assert (stt.flags, stt.l4_offset, stt.mss) == (0, 0, 0)
        return
    is_tcp = TCP in packet
    layer = packet[TCP if is_tcp else UDP]
    assert stt.flags == 2 | (4 if IP in packet else 0) | (8 if is_tcp else 0)
    assert stt.l4_offset == len(inner) - len(layer)
    assert stt.mss == vector.number("gso-size")
    assert layer.chksum == pseudo_sum(packet, 6 if is_tcp else 17, len(layer))


@cases("stt.txt")
def test_stt_segments_are_tcp_and_join_to_the_frame(vector: Vector) -> None:
    keys = sorted(key for key in vector if key.startswith("segment-"))
    joined, whole = b"", vector.frame("outer")[54:]
    for key in keys:
        frame = vector.frame(key)
        assert made_anew(frame, (IP, "len"), (IP, "chksum"), (TCP, "chksum")) == frame
        tcp = Ether(frame)[TCP]
        assert tcp.seq == len(whole) << 16 | len(joined)
        assert str(tcp.flags) == ("PA" if key == keys[-1] else "A")
        joined += bytes(tcp.payload)
    assert joined == whole


@cases("vxlan.txt")
def test_vxlan_frames_are_vxlan(vector: Vector) -> None:
    frame = vector.frame("outer")
    assert made_anew(frame, (IP, "len"), (IP, "chksum"), (UDP, "len")) == frame
    packet = Ether(frame)
    assert (packet[UDP].dport, packet[UDP].chksum) == (4789, 0)
    assert packet[UDP].sport >= 49152
    vxlan = VXLAN(bytes(packet[UDP].payload))
    assert (int(vxlan.flags), vxlan.vni) == (8, vector.number("context"))
    assert (vxlan.reserved1, vxlan.reserved2) == (0, 0)
    assert bytes(vxlan.payload) == vector.frame("inner")


@cases("arp.txt")
def test_arp_packets_are_arp(vector: Vector) -> None:
    arp = Ether(vector.frame("frame"))[ARP]
    assert arp.op == vector.number("operation")
    assert (arp.hwsrc, arp.psrc) == (vector["sender-mac"], vector["sender-ip"])
    assert (arp.hwdst, arp.pdst) == (vector["target-mac"], vector["target-ip"])


@cases("ndp.txt")
def test_neighbor_discovery_messages_are_neighbor_discovery(vector: Vector) -> None:
    frame = vector.frame("frame")
    layer, option = {
        135: (ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr),
        136: (ICMPv6ND_NA, ICMPv6NDOptDstLLAddr),
    }[vector.number("kind")]
    assert made_anew(frame, (IPv6, "plen"), (layer, "cksum")) == frame
    packet = Ether(frame)
    assert packet[IPv6].hlim == 255
    assert packet[layer].tgt == vector["target"]
    assert bytes(packet[layer])[4] == vector.number("flags")
    assert (packet[option].lladdr if option in packet else "none") == vector["mac"]


@cases("icmp.txt")
def test_icmp_errors_quote_the_packet_they_are_about(vector: Vector) -> None:
    frame, about = vector.frame("frame"), vector.frame("about")
    packet, cause = Ether(frame), Ether(about)
    assert (packet.src, packet.dst) == (vector["router-mac"], cause.src)
    assert (packet.payload.src, packet.payload.dst) == (vector["router-ip"], cause.payload.src)
    headers, most = (20 + 8, 576) if ICMP in packet else (40 + 8, 1280)
    message = frame[14 + headers - 8 :]
    assert (message[0], message[1]) == (vector.number("icmp-type"), vector.number("icmp-code"))
    assert int.from_bytes(message[4:8]) == vector.number("mtu")
    assert message[8:] == about[14 : 14 + most - headers]
    assert made_anew(frame, (IP, "len"), (IP, "chksum"), (IPv6, "plen")) == frame
    pseudo = b"" if ICMP in packet else frame[22:54] + len(message).to_bytes(2) + bytes([0, 58])
    assert folded_sum(pseudo + message) == 0xFFFF
