"""Two tenants with the same addresses: whatever one sends, the other never sees."""

from __future__ import annotations

import pytest
from lab_bench import Bench
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from tulle.lab.measure import capture_socket, frames_captured

MARK = b"tulle-isolation-mark"
NEAR, FAR, ROUTER = "02:00:00:00:01:11", "02:00:00:00:01:12", "02:00:00:00:01:01"
EVERYONE = "ff:ff:ff:ff:ff:ff"


def datagram(source: str, target: str, address: str) -> Packet:
    return Ether(src=source, dst=target) / IP(src="10.0.1.11", dst=address) / UDP(dport=9) / Raw(MARK)


FRAMES = {
    "to a neighbour": datagram(NEAR, FAR, "10.0.1.12"),
    "through the router": datagram(NEAR, ROUTER, "10.0.2.12"),
    "broadcast": datagram(NEAR, EVERYONE, "255.255.255.255"),
    "multicast": datagram(NEAR, "01:00:5e:00:00:fb", "224.0.0.251"),
    "forged source": datagram("02:00:00:00:01:13", FAR, "10.0.1.12"),
    "source of the router": datagram(ROUTER, EVERYONE, "10.0.1.255"),
    "unknown target": datagram(NEAR, "02:de:ad:00:00:01", "10.0.1.99"),
    "ARP": Ether(src=NEAR, dst=EVERYONE) / ARP(hwsrc=NEAR, psrc="10.0.1.11", pdst="10.0.1.99") / Raw(MARK),
    "neighbour solicitation": Ether(src=NEAR, dst="33:33:ff:00:00:99")
    / IPv6(src="fd00:1::11", dst="ff02::1:ff00:99")
    / ICMPv6ND_NS(tgt="fd00:1::99")
    / Raw(MARK),
    "unknown protocol": Ether(src=NEAR, dst=EVERYONE, type=0x88B5) / Raw(MARK),
}


@pytest.mark.parametrize("what", FRAMES)
def test_nothing_crosses_to_the_other_tenant(lab: Bench, what: str) -> None:
    others = [(lab.workload(f"blue-{name}"), "eth0") for name in ("web1", "web2", "web3", "db1", "db2")]
    with frames_captured(others) as frames:
        with capture_socket(lab.workload("red-web1"), "eth0") as injector:
            for _ in range(3):
                injector.send(bytes(FRAMES[what]))
        # Both tenants answer afterwards, so what was under way has arrived.
        assert lab.pings("red-web1", "10.0.1.12") and lab.pings("blue-web1", "10.0.1.12")
    assert frames, "the capture saw not even blue's own pings"
    assert not [frame for frame in frames if MARK in frame[1]]


def test_the_mark_does_arrive_at_the_tenants_own_neighbour(lab: Bench) -> None:
    with frames_captured([(lab.workload("red-web2"), "eth0")]) as frames:
        with capture_socket(lab.workload("red-web1"), "eth0") as injector:
            injector.send(bytes(FRAMES["to a neighbour"]))
        assert lab.pings("red-web1", "10.0.1.12")
    assert [frame for frame in frames if MARK in frame[1]]
