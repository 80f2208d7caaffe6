"""The golden frames of Geneve, GRE, NVGRE, VXLAN's extensions and outer IPv6, read by scapy and tshark.

Scapy decodes the headers and makes lengths and checksums anew; tshark, with all its checks on, must have
nothing to say against the same bytes. What `crates/encap` makes of the files is tested there.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet
from scapy.utils import wrpcap
from test_vectors import Stt, Vector, cases, made_anew, vectors

FILES = ("geneve.txt", "gre.txt", "nvgre.txt", "vxlan-extensions.txt", "outer-headers.txt")
PREFERENCES = (
    "ip.check_checksum",
    "udp.check_checksum",
    "tcp.check_checksum",
    # RFC 6936 lets tunnels do without.
    "udp.ignore_ipv6_zero_checksum",
    # STT before TCP, whose protocol number it uses.
    "ip.try_heuristic_first",
    "ipv6.try_heuristic_first",
)
ETHERNET = 0x6558


def number(vector: Vector, key: str, usual: int = 0) -> int:
    """The number of a key, or what it usually is."""
    return vector.number(key) if key in vector else usual


def network(vector: Vector) -> Packet:
    """The outer IP packet, whose ends and look are checked."""
    packet = Ether(vector.frame("outer"))
    ip: Packet = packet[IPv6 if vector.get("ends") == "ipv6" else IP]
    if IPv6 in packet and ip is packet[IPv6]:
        assert (ip.src, ip.dst) == ("fd00:a::1", "fd00:a::2")
        assert ip.fl != 0
    else:
        assert (ip.src, ip.dst, ip.id) == ("10.0.0.1", "10.0.0.2", vector.number("frame-id") & 0xFFFF)
    return ip


def udp_payload(vector: Vector, port: int) -> bytes:
    """The payload of the outer datagram, whose header is checked."""
    udp = network(vector)[UDP]
    assert (udp.dport, udp.len) == (number(vector, "port", port), len(udp))
    assert udp.sport >= 49152
    checksum = vector.get("checksum", "usual")
    wanted = checksum == "always" or (checksum == "usual" and vector.get("ends") == "ipv6")
    assert (udp.chksum != 0) == wanted
    return bytes(udp.payload)


@pytest.mark.parametrize("file", FILES)
def test_lengths_and_checksums_of_outer_headers_are_what_scapy_makes_them(file: str) -> None:
    for vector in vectors(file):
        frame = vector.frame("outer")
        ip = network(vector)
        v6 = isinstance(ip, IPv6)
        fields: list[tuple[type[Packet], str]] = [(IPv6, "plen")] if v6 else [(IP, "len"), (IP, "chksum")]
        layer = type(ip.payload)
        fields += [(layer, "chksum")] if layer in (TCP, UDP) and ip.payload.chksum else []
        assert made_anew(frame, *fields) == frame, vector["name"]


@cases("geneve.txt")
def test_geneve_headers_say_what_the_vector_says(vector: Vector) -> None:
    geneve = GENEVE(udp_payload(vector, 6081))
    options = vector.frame("options") if "options" in vector else b""
    assert (geneve.version, geneve.optionlen * 4) == (0, len(options))
    assert (geneve.oam, geneve.proto, geneve.vni) == (
        number(vector, "oam"),
        ETHERNET,
        vector.number("context"),
    )
    assert (geneve.reserved, geneve.reserved2) == (0, 0)
    assert b"".join(map(bytes, geneve.options)) == options
    assert geneve.critical == any(option.type & 0x80 for option in geneve.options)
    assert bytes(geneve.payload) == vector.frame("inner")


@cases("gre.txt")
def test_gre_headers_say_what_the_vector_says(vector: Vector) -> None:
    packet = bytes(network(vector).payload)
    gre = GRE(packet)
    has_key, has_sum, has_number = number(vector, "key", 1), "checksum" in vector, "sequence" in vector
    flags = (gre.key_present, gre.chksum_present, gre.seqnum_present, gre.routing_present)
    assert flags == (has_key, has_sum, has_number, 0)
    assert (gre.version, gre.flags, gre.recursion_control, gre.strict_route_source) == (0, 0, 0, 0)
    assert gre.proto == ETHERNET
    if has_key:
        assert gre.key == vector.number("context")
    if has_number:
        assert gre.sequence_number == vector.number("frame-id")
    if has_sum:
        gre.delfieldval("chksum")
        assert bytes(gre) == packet
    assert bytes(gre.payload) == vector.frame("inner")


@cases("nvgre.txt")
def test_nvgre_headers_are_gre_with_a_split_key(vector: Vector) -> None:
    packet = bytes(network(vector).payload)
    assert packet[:4] == bytes.fromhex("20006558")
    entropy = vector.number("entropy")
    flow = entropy >> 24 ^ entropy >> 16 ^ entropy >> 8 ^ entropy
    assert GRE(packet).key == vector.number("context") << 8 | flow & 0xFF
    assert packet[8:] == vector.frame("inner")


@cases("vxlan-extensions.txt")
def test_vxlan_extensions_say_what_the_vector_says(vector: Vector) -> None:
    vxlan = VXLAN(udp_payload(vector, 4789))
    assert (vxlan.vni, vxlan.reserved2) == (vector.number("context"), 0)
    expected = {
        "gbp": ("Instance+G" if "gbp-id" in vector else "Instance"),
        "gpe": "NextProtocol+Instance",
    }[vector["extension"]]
    assert str(vxlan.flags) == expected
    if "gbp-id" in vector:
        assert vxlan.gpid == vector.number("gbp-id")
        assert bytes(vxlan)[1] == vector.number("gbp-flags")
    if vector["extension"] == "gpe":
        assert vxlan.NextProtocol == 3
    assert bytes(vxlan.payload) == vector.frame("inner")


@cases("outer-headers.txt")
def test_outer_headers_look_as_the_tunnel_and_the_packet_want(vector: Vector) -> None:
    ip = network(vector)
    inner = Ether(vector.frame("inner")).payload
    is_ip = isinstance(inner, IP | IPv6)
    inner_tos = (inner.tos if isinstance(inner, IP) else inner.tc) if is_ip else 0
    inner_ttl = (inner.ttl if isinstance(inner, IP) else inner.hlim) if is_ip else 0
    dscp = inner_tos >> 2 if is_ip and "inherit-dscp" in vector else number(vector, "dscp")
    ttl = inner_ttl if is_ip and "inherit-ttl" in vector else number(vector, "ttl", 64)
    tos = number(vector, "packet-dscp", dscp) << 2 | inner_tos & 3
    seen = (ip.tc, ip.hlim) if isinstance(ip, IPv6) else (ip.tos, ip.ttl)
    assert seen == (tos, number(vector, "packet-ttl", ttl))
    if isinstance(ip, IP):
        assert ("DF" in ip.flags) == bool(number(vector, "dont-fragment", 1))
    if vector["encapsulation"] == "stt":
        stt = Stt(bytes(ip[TCP].payload))
        assert (stt.context, stt.vlan, bytes(stt.payload)) == (
            vector.number("context"),
            0,
            vector.frame("inner"),
        )


def read_by_tshark(path: Path, *fields: str) -> list[dict[str, list[str]]]:
    """Some fields of each packet of a capture, and whatever tshark finds wrong with it."""
    command = ["tshark", "-r", str(path), "-T", "json"]
    command += [word for name in PREFERENCES for word in ("-o", f"{name}:TRUE")]
    command += [word for field in (*fields, "_ws.expert.message") for word in ("-e", field)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [packet["_source"].get("layers", {}) for packet in json.loads(output)]


@pytest.mark.parametrize("file", FILES)
def test_tshark_reads_every_frame_without_complaint(file: str, tmp_path: Path) -> None:
    capture = tmp_path / "frames.pcap"
    golden = list(vectors(file))
    wrpcap(str(capture), [Ether(vector.frame("outer")) for vector in golden])
    identifiers = ("geneve.vni", "gre.key", "vxlan.vni", "stt.context_id")
    for vector, packet in zip(golden, read_by_tshark(capture, *identifiers), strict=True):
        assert "_ws.expert.message" not in packet, (vector["name"], packet)
        found = [int(value, 0) for key in identifiers for value in packet.get(key, [])]
        if vector["encapsulation"] == "nvgre":
            found = [key >> 8 for key in found]
        assert found == ([vector.number("context")] if number(vector, "key", 1) else []), vector["name"]
