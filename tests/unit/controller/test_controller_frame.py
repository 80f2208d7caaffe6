"""The frame of a trace: what a workload would send."""

from __future__ import annotations

import pytest
from controller_fixture import TEXT, Cores

from tulle.controller.frame import frame_match
from tulle.errors import InvalidInput, NotFound
from tulle.logical import parse_match
from tulle.values import Network

ROUTER = "02:00:00:00:01:01"


def red() -> Network:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    return cores.intent.network("red").network


def fields(text: str, port: str = "web1") -> dict[str, str]:
    made = frame_match(red(), port, parse_match(text)).split(",")
    return {"protocol": made[0], **dict(one.split("=", 1) for one in made[1:])}


def test_neighbour_gets_the_frame_itself():
    made = fields("tcp,dst=10.0.1.12,dport=80")
    assert made == {
        "protocol": "tcp",
        "dl_src": "02:00:00:00:01:11",
        "dl_dst": "02:00:00:00:01:12",
        "nw_src": "10.0.1.11",
        "nw_dst": "10.0.1.12",
        "nw_ttl": "64",
        "tcp_src": "49152",
        "tcp_dst": "80",
    }


def test_other_switch_is_reached_by_the_router():
    assert fields("tcp,dst=10.0.2.11,dport=22")["dl_dst"] == ROUTER
    made = fields("udp,dst=fd00:2::11,sport=5,dport=6")
    assert (made["protocol"], made["dl_dst"], made["ipv6_src"]) == ("udp6", ROUTER, "fd00:1::11")
    assert (made["udp_src"], made["udp_dst"]) == ("5", "6")


def test_router_itself_can_be_asked():
    assert fields("icmp,dst=10.0.1.1")["dl_dst"] == ROUTER


def test_without_a_protocol_it_is_an_echo_request_of_the_right_family():
    made = fields("dst=10.0.1.12")
    assert (made["protocol"], made["icmp_type"], made["icmp_code"]) == ("icmp", "8", "0")
    assert fields("dst=fd00:1::12")["icmpv6_type"] == "128"


def test_arp_asks_everybody():
    made = fields("arp,dst=10.0.1.12")
    assert made["dl_dst"] == "ff:ff:ff:ff:ff:ff"
    assert (made["arp_op"], made["arp_spa"], made["arp_tpa"]) == ("1", "10.0.1.11", "10.0.1.12")


def test_source_can_be_forged():
    assert fields("udp,src=10.0.1.99,dst=10.0.1.12")["nw_src"] == "10.0.1.99"


@pytest.mark.parametrize(
    ("target", "mac"),
    [
        ("224.129.2.3", "01:00:5e:01:02:03"),
        ("ff02::1:ff00:1", "33:33:ff:00:00:01"),
        ("255.255.255.255", "ff:" * 5 + "ff"),
    ],
)
def test_groups_have_their_own_mac_addresses(target, mac):
    assert fields(f"udp,dst={target}")["dl_dst"] == mac


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp,dport=80", "a destination was expected"),
        ("tcp,dst=10.0.1.0/24", "one address was expected for dst"),
        ("tcp,dst=10.0.1.77", "nothing on switch web has the address 10.0.1.77"),
    ],
)
def test_what_cannot_be_sent_is_refused(text, expected):
    with pytest.raises(InvalidInput, match=expected):
        fields(text)


def test_unknown_port_is_named_with_the_nearest():
    with pytest.raises(NotFound, match="did you mean 'web1'"):
        fields("tcp,dst=10.0.1.12", "web11")


def test_switch_without_a_router_says_so():
    network = red()
    alone = Network("red", network.switches, (), network.ports)
    with pytest.raises(InvalidInput, match="has no router"):
        frame_match(alone, "web1", parse_match("tcp,dst=10.0.2.11"))
