"""Static routes and ACLs of all kinds, walked through the compiled flows."""

from __future__ import annotations

import pytest
from fabric import Fabric, Outcome, number, packet, ports_of

from tulle.logical import parse_file
from tulle.values import cookie_for

TEXT = """
nodes:
  - {name: n1, address: 192.0.2.1, encapsulations: [stt]}
  - {name: n2, address: 192.0.2.2, encapsulations: [stt]}
networks:
  - name: red
    switches:
      - {name: left, subnets: [10.0.1.0/24]}
      - {name: middle, subnets: [10.0.2.0/24]}
      - {name: right, subnets: [10.0.3.0/24]}
    routers:
      - name: west
        ports:
          - {switch: left, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/24]}
          - {switch: middle, mac: 02:00:00:00:01:02, addresses: [10.0.2.1/24]}
        routes:
          - {prefix: 10.0.3.0/24, next_hop: 10.0.2.2}
          - {prefix: 0.0.0.0/0, next_hop: 10.0.2.9}
          - {prefix: 192.0.2.0/24, next_hop: 10.0.2.77}
          - {prefix: 10.0.1.128/25, next_hop: 10.0.2.9}
      - name: east
        ports:
          - {switch: middle, mac: 02:00:00:00:02:02, addresses: [10.0.2.2/24]}
          - {switch: right, mac: 02:00:00:00:02:03, addresses: [10.0.3.1/24]}
        routes:
          - {prefix: 10.0.1.0/24, next_hop: 10.0.2.1}
    ports:
      - {name: a, switch: left, node: n1, mac: 02:00:00:00:00:0a, addresses: [10.0.1.10]}
      - {name: exit, switch: middle, node: n2, mac: 02:00:00:00:00:0e, addresses: [10.0.2.9]}
      - {name: z, switch: right, node: n2, mac: 02:00:00:00:00:1a, addresses: [10.0.3.10]}
    acls:
      - {name: no-sport, direction: from-port, port: a, priority: 10, match: "udp,sport=666", action: drop}
      - {name: all-right, direction: to-port, switch: right, priority: 10, match: udp, action: drop}
      - {name: but-dns, direction: to-port, port: z, priority: 20, match: "udp,dport=53", action: allow}
"""


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(parse_file(TEXT, "routes.yaml"))


def udp(fabric: Fabric, to: str, sport: int = 1, dport: int = 53, ttl: int = 64) -> Outcome:
    """What becomes of a UDP packet from port a by way of its router."""
    sent = packet(
        dl_src="02:00:00:00:00:0a",
        dl_dst="02:00:00:00:01:01",
        dl_type=0x0800,
        nw_src="10.0.1.10",
        nw_dst=to,
        nw_proto=17,
        nw_ttl=ttl,
        udp_src=sport,
        udp_dst=dport,
    )
    return fabric.send("red/a", sent)


def test_a_static_route_leads_through_a_second_router(fabric: Fabric) -> None:
    outcome = udp(fabric, "10.0.3.10")
    assert ports_of(outcome.delivered) == ["red/z"], outcome.path
    assert outcome.delivered[0][1]["nw_ttl"] == 62
    assert outcome.delivered[0][1]["dl_src"] == number("02:00:00:00:02:03")


def test_the_second_router_counts_time_too(fabric: Fabric) -> None:
    assert udp(fabric, "10.0.3.10", ttl=2).punted == ["ttl-exceeded"]


@pytest.mark.parametrize("to", ["203.0.113.5", "10.0.1.200"])
def test_the_longest_prefix_wins_and_the_default_route_takes_the_rest(fabric: Fabric, to: str) -> None:
    outcome = udp(fabric, to)
    assert ports_of(outcome.delivered) == ["red/exit"], outcome.path
    assert outcome.delivered[0][1]["nw_dst"] == number(to)


def test_a_next_hop_that_nobody_has_makes_its_prefix_unreachable(fabric: Fabric) -> None:
    assert udp(fabric, "192.0.2.5").punted == ["host-unreachable"]


def test_an_acl_of_one_port_acts_before_anything_else(fabric: Fabric) -> None:
    outcome = udp(fabric, "10.0.3.10", sport=666)
    assert (outcome.delivered, outcome.dropped) == ([], ["acl red/no-sport"])
    assert outcome.path == ["n1 0 port red/a", "n1 10 acl red/no-sport"]


def test_the_higher_priority_is_the_exception_to_the_rule(fabric: Fabric) -> None:
    assert udp(fabric, "10.0.3.10", dport=54).dropped == ["acl red/all-right"]
    assert ports_of(udp(fabric, "10.0.3.10", dport=53).delivered) == ["red/z"]


def test_the_number_of_an_owner_never_changes() -> None:
    assert cookie_for("acl red/no-ssh-to-db") == 0xDB7A6E8C4C88CC96
