"""What a rejected sender is told, read by scapy and not by the product."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import ARP, Ether

from tulle._native import icmp_error
from tulle.agent.rejecting import rejection

ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
ENDS = {IP: ("10.0.0.1", "10.0.0.2"), IPv6: ("fd00::1", "fd00::2")}


def answer(family: type, body: object) -> Ether | None:
    source, target = ENDS[family]
    made = rejection(bytes(ETHERNET / family(src=source, dst=target) / body), icmp_error)
    return None if made is None else Ether(made)


def is_whole(frame: Ether) -> bool:
    """Whether the checksums are what scapy computes."""
    again = frame.copy()
    for layer in (IP, TCP, ICMP, ICMPv6DestUnreach):
        if layer in again:
            name = "cksum" if layer is ICMPv6DestUnreach else "chksum"
            delattr(again[layer], name)
    return bytes(Ether(bytes(again))) == bytes(frame)


@pytest.mark.parametrize("family", [IP, IPv6])
def test_a_syn_is_answered_by_a_reset_that_acknowledges_it(family: type) -> None:
    found = answer(family, TCP(sport=4000, dport=22, flags="S", seq=1000))
    assert found is not None and is_whole(found)
    assert (found.src, found.dst) == (ETHERNET.dst, ETHERNET.src)
    assert (found[family].src, found[family].dst) == ENDS[family][::-1]
    tcp = found[TCP]
    assert (tcp.sport, tcp.dport, str(tcp.flags), tcp.seq, tcp.ack) == (22, 4000, "RA", 0, 1001)


def test_data_are_acknowledged_with_their_length_and_an_acknowledgement_gives_the_sequence() -> None:
    found = answer(IP, TCP(flags="PF", seq=2**32 - 2) / b"hello")
    assert found is not None and found[TCP].ack == 4
    found = answer(IP, TCP(flags="A", seq=5, ack=77))
    assert found is not None and (found[TCP].seq, str(found[TCP].flags)) == (77, "R")


def test_a_datagram_is_answered_by_port_unreachable() -> None:
    found = answer(IP, UDP(sport=1, dport=53) / b"question")
    assert found is not None and is_whole(found)
    assert (found[ICMP].type, found[ICMP].code, found[IP].src) == (3, 3, "10.0.0.2")
    found = answer(IPv6, UDP(sport=1, dport=53) / b"question")
    assert found is not None and is_whole(found)
    assert (found[ICMPv6DestUnreach].code, found[IPv6].src) == (4, "fd00::2")


def test_resets_errors_fragments_and_what_is_no_ip_are_not_answered() -> None:
    assert answer(IP, TCP(flags="R")) is None
    assert answer(IP, ICMP(type=3, code=1) / b"quoted") is None
    assert rejection(bytes(ETHERNET / IP(dst="10.0.0.2", frag=7) / TCP()), icmp_error) is None
    assert rejection(bytes(ETHERNET / ARP()), icmp_error) is None


@pytest.mark.parametrize(
    ("ethernet", "ip"),
    [
        (Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff"), IP(src="10.0.0.1", dst="10.0.0.2")),
        (Ether(src="03:00:00:00:00:01", dst="02:00:00:00:00:02"), IP(src="10.0.0.1", dst="10.0.0.2")),
        (ETHERNET, IP(src="10.0.0.1", dst="224.0.0.5")),
        (ETHERNET, IP(src="10.0.0.1", dst="255.255.255.255")),
        (ETHERNET, IP(src="224.0.0.5", dst="10.0.0.2")),
        (ETHERNET, IP(src="0.0.0.0", dst="10.0.0.2")),
        (ETHERNET, IPv6(src="fd00::1", dst="ff02::1")),
        (ETHERNET, IPv6(src="::", dst="fd00::2")),
        (ETHERNET, IPv6(src="ff02::1", dst="fd00::2")),
    ],
)
@pytest.mark.parametrize("body", [TCP(flags="S"), UDP(dport=53)])
def test_nothing_is_answered_to_or_for_a_group(ethernet: Ether, ip: IP, body: TCP) -> None:
    assert rejection(bytes(ethernet / ip / body), icmp_error) is None


def test_nothing_that_is_cut_off_raises() -> None:
    for family in (IP, IPv6):
        source, target = ENDS[family]
        whole = bytes(ETHERNET / family(src=source, dst=target) / TCP(flags="S") / b"data")
        for length in range(len(whole)):
            rejection(whole[:length], icmp_error)
