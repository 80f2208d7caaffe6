"""A packet is known again wherever it is seen, and no other is taken for it; frames are made by scapy."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from tulle.agent.identity import described, digest, either_way, fits, headers, shortened
from tulle.logical.match import parse_match

HERE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
ROUTED = Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04")


def known(frame: object) -> str:
    data = bytes(frame)  # type: ignore[call-overload]
    found = headers(data)
    assert found is not None
    return digest(data, found)


def passes(text: str, frame: object) -> bool:
    found = headers(bytes(frame))  # type: ignore[call-overload]
    return found is not None and fits(parse_match(text))(found)


@pytest.mark.parametrize(
    "carried",
    [TCP(sport=9, dport=80, seq=7, ack=8), UDP(sport=9, dport=53) / b"who", ICMP(id=4, seq=2) / b"ping"],
)
def test_a_packet_that_was_routed_and_translated_is_the_same(carried: object) -> None:
    one = HERE / IP(src="10.0.0.1", dst="10.0.0.9", ttl=64, id=77) / carried
    other = ROUTED / IP(src="192.0.2.1", dst="10.0.1.2", ttl=63, id=77) / carried.copy()  # type: ignore[attr-defined]
    if TCP in other:
        other[TCP].sport, other[TCP].dport = 61000, 8080
    if ICMP in other:
        other[ICMP].id = 61000
    assert known(one) == known(other)


def test_the_first_piece_of_a_long_segment_is_the_same_and_the_next_one_is_not() -> None:
    whole = HERE / IP(id=1) / TCP(seq=1000, ack=5, flags="PA") / (b"x" * 9000)
    first = HERE / IP(id=1) / TCP(seq=1000, ack=5, flags="A") / (b"x" * 1400)
    second = HERE / IP(id=2) / TCP(seq=2400, ack=5, flags="A") / (b"x" * 1400)
    assert known(whole) == known(first) != known(second)


def test_an_acknowledgement_the_data_after_it_and_the_end_are_three_packets() -> None:
    for family in (IP, IPv6):
        made = [
            HERE / family() / TCP(seq=7, ack=8, flags="A"),
            HERE / family() / TCP(seq=7, ack=8, flags="PA") / b"data",
            HERE / family() / TCP(seq=7, ack=8, flags="FA"),
        ]
        assert len({known(one) for one in made}) == 3
        last = HERE / family() / TCP(seq=7, ack=8, flags="FPA") / b"data"
        assert known(last) == known(made[1]), "it may be cut, and then the end is in a later piece"
    padded = bytes(HERE / IP() / TCP(seq=7, ack=8, flags="A")) + bytes(6)
    found = headers(padded)
    assert found is not None and digest(padded, found) == known(HERE / IP() / TCP(seq=7, ack=8, flags="A"))


@pytest.mark.parametrize("family", [IP, IPv6])
def test_packets_that_carry_something_else_are_others(family: type) -> None:
    made = [
        HERE / family() / body
        for body in (UDP() / b"a", UDP() / b"b", UDP() / b"ab", TCP(seq=1), TCP(seq=2), TCP(seq=1, ack=1))
    ]
    assert len({known(one) for one in made}) == len(made)
    assert known(HERE / family() / TCP(seq=1)) == known(ROUTED / family() / TCP(seq=1))


def test_a_tag_changes_nothing_and_what_is_no_ip_is_nothing() -> None:
    packet = IP(id=3) / UDP() / b"a"
    assert known(HERE / Dot1Q(vlan=7) / packet) == known(HERE / packet)
    assert headers(bytes(HERE / b"\x88\xcc")) is None
    assert headers(bytes(HERE / ARP(psrc="10.0.0.1", pdst="10.0.0.2"))) is not None


def test_matches_mean_what_they_mean_in_acls() -> None:
    frame = HERE / IP(src="10.0.1.11", dst="10.0.2.11") / TCP(sport=4000, dport=80)
    for text in ("any", "ip", "ip4", "tcp", "tcp,dport=80", "tcp,src=10.0.1.0/24,dst=10.0.2.11,sport=4000"):
        assert passes(text, frame), text
    for text in ("udp", "ip6", "arp", "icmp", "tcp,dport=81", "tcp,src=10.0.2.0/24", "tcp,dst=fd00::1"):
        assert not passes(text, frame), text
    assert passes("icmp6,type=128", HERE / IPv6() / ICMPv6EchoRequest())
    assert passes("arp,dst=10.0.0.2", HERE / ARP(psrc="10.0.0.1", pdst="10.0.0.2"))


def test_answers_are_noticed_and_translated_packets_by_their_protocol() -> None:
    answer = headers(bytes(HERE / IP(src="10.0.2.11", dst="10.0.1.11") / TCP(sport=80, dport=4000)))
    assert answer is not None
    asked = [parse_match("tcp,dst=10.0.2.11,dport=80")]
    assert either_way(asked, translated=False)(answer)
    other = [parse_match("tcp,dst=10.0.2.12,dport=80")]
    assert not either_way(other, translated=False)(answer)
    assert either_way(other, translated=True)(answer)
    assert not either_way([parse_match("udp")], translated=True)(answer)


@pytest.mark.parametrize("family", [IP, IPv6])
@pytest.mark.parametrize("body", [TCP(options=[("MSS", 9)]), UDP(), ICMP(), ICMPv6EchoRequest()])
def test_a_shortened_frame_is_whole(family: type, body: object) -> None:
    if (family is IP) == (type(body) is ICMPv6EchoRequest):
        return
    long = bytes(HERE / family() / body / (b"y" * 4000))  # type: ignore[operator]
    found = headers(long)
    assert found is not None
    short = shortened(long[:512], found)
    again = Ether(short)
    for layer in (family, type(body)):
        for name in ("chksum", "cksum", "len", "plen"):
            if layer in again and name in again[layer].fields:
                delattr(again[layer], name)
    assert len(short) < 200 and bytes(again) == short
    assert digest(short, found) == digest(long, found) or (family is IP and type(body) is UDP)
    assert described(short, found)


def test_no_frame_that_is_cut_off_anywhere_is_too_much() -> None:
    for frame in (
        HERE / IP(options=b"\x01" * 8) / TCP(options=[("MSS", 9)]) / b"abc",
        HERE / IPv6() / UDP() / b"abc",
        HERE / Dot1Q() / ARP(),
    ):
        data = bytes(frame)
        for length in range(len(data)):
            cut = data[:length]
            if (found := headers(cut)) is not None:
                digest(cut, found)
                assert described(cut, found) and len(shortened(cut, found)) <= length
