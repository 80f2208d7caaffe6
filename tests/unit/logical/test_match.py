"""The match language."""

from __future__ import annotations

import pytest

from tulle.errors import InvalidInput
from tulle.logical import emit_match, parse_match
from tulle.logical.match import expand_match, overlap
from tulle.values import FieldMatch, Match


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("any", Match()),
        ("tcp,dport=22", Match("tcp", dport=22)),
        (" tcp , src=10.0.1.0/24 , sport=1 ", Match("tcp", src="10.0.1.0/24", sport=1)),
        ("ip6,dst=FD00:0::1/128", Match("ip6", dst="fd00::1")),
        ("dst=10.0.0.1", Match(dst="10.0.0.1")),
        ("icmp,type=8,code=0", Match("icmp", icmp_type=8, icmp_code=0)),
        ("arp,dst=10.0.0.1", Match("arp", dst="10.0.0.1")),
    ],
)
def test_a_match_says(text: str, match: Match) -> None:
    assert parse_match(text) == match
    assert parse_match(emit_match(match)) == match


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "position 1: unknown protocol ''"),
        ("tcp,,dport=1", "position 5: unknown protocol ''"),
        ("dport=1,tcp", "position 9: the protocol 'tcp' was expected first"),
        ("tcp,dport=-1", "position 11: a number from 0 to 65535 was expected, '-1' came"),
        ("tcp,dport=٣", "a number from 0 to 65535 was expected"),
        ("tcp,dports=1", "position 5: unknown key 'dports'; did you mean 'dport'?"),
        ("tcp,dport=1,dport=2", "position 13: 'dport=2' says again"),
        ("ip,dport=1", "sport and dport need tcp or udp"),
        ("tcp,type=1", "type and code need icmp or icmp6"),
        ("src=10.0.0.1,dst=fd00::1", "different families"),
        ("arp,dst=fd00::1", "IPv4 addresses only"),
        ("ip4,dst=fd00::1", "ip4 does not go with fd00::1"),
        ("icmp6,dst=10.0.0.1", "icmp6 does not go with 10.0.0.1"),
        ("src=10.0.0.1/24", "position 5: an address or prefix was expected"),
        ("src=fe80::1%eth0", "a zone has no meaning here"),
        ("src=" + "1" * 2000, "at most 1000 characters"),
    ],
)
def test_a_bad_match_is_refused_with_its_position(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_match(text)
    assert said in str(caught.value)


def test_a_protocol_without_addresses_means_both_families() -> None:
    assert expand_match(parse_match("tcp,dport=22")) == (
        (FieldMatch("dl_type", 0x0800), FieldMatch("nw_proto", 6), FieldMatch("tcp_dst", 22)),
        (FieldMatch("dl_type", 0x86DD), FieldMatch("nw_proto", 6), FieldMatch("tcp_dst", 22)),
    )


def test_a_prefix_becomes_a_mask_and_a_host_none() -> None:
    (made,) = expand_match(parse_match("src=10.0.1.0/24,dst=10.0.2.5"))
    assert made == (
        FieldMatch("dl_type", 0x0800),
        FieldMatch("nw_dst", "10.0.2.5"),
        FieldMatch("nw_src", "10.0.1.0", "255.255.255.0"),
    )
    assert expand_match(parse_match("dst=0.0.0.0/0")) == ((FieldMatch("dl_type", 0x0800),),)
    assert expand_match(parse_match("any")) == ((),)


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("tcp", "udp", False),
        ("tcp", "ip4", True),
        ("ip4", "ip6", False),
        ("any", "arp", True),
        ("src=10.0.0.0/8", "src=10.1.0.0/16", True),
        ("src=10.0.0.0/16", "src=10.1.0.0/16", False),
        ("tcp,dport=1", "tcp,sport=2", True),
        ("tcp,dport=1", "tcp,dport=2", False),
        ("icmp,type=8", "icmp,type=0", False),
        ("tcp,src=10.0.0.1", "ip6", False),
    ],
)
def test_two_matches_meet(one: str, other: str, meets: bool) -> None:
    assert overlap(parse_match(one), parse_match(other)) is meets
    assert overlap(parse_match(other), parse_match(one)) is meets
