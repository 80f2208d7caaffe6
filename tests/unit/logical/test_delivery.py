"""Who reaches whom where routers have several next hops and policies, read off the network itself."""

from __future__ import annotations

import pytest

from tulle.control import allocate
from tulle.logical import Delivery, asked_services, parse_file
from tulle.logical.hops import ways
from tulle.logical.view import View
from tulle.values import Ids

TEXT = """networks:
  - name: red
    switches:
      - {{name: left, subnets: [10.0.1.0/24]}}
      - {{name: middle, subnets: [10.0.2.0/24]}}
      - {{name: right, subnets: [10.0.3.0/24]}}
    routers:
      - name: west
        ports: [{{switch: left, addresses: [10.0.1.1/24]}}, {{switch: middle, addresses: [10.0.2.1/24]}}]
        routes:
          - {{prefix: 10.0.3.0/24, {hops}}}
        policies: [{policies}]
      - name: east
        ports: [{{switch: middle, addresses: [10.0.2.2/24]}}, {{switch: right, addresses: [10.0.3.1/24]}}]
      - name: other
        ports: [{{switch: middle, addresses: [10.0.2.3/24]}}, {{switch: right, addresses: [10.0.3.2/24]}}]
        routes: [{{prefix: 192.0.2.0/24, next_hop: 10.0.2.1}}]
    ports:
      - {{name: a, switch: left, node: node1, addresses: [10.0.1.10]}}
      - {{name: m, switch: middle, node: node1, addresses: [10.0.2.10]}}
      - {{name: nowhere, switch: middle, addresses: [10.0.2.11]}}
      - {{name: z, switch: right, node: node1, addresses: [10.0.3.10]}}
"""
EAST, OTHER, M, NOWHERE, NOBODY = (
    f"{{address: {one}}}" for one in ("10.0.2.2", "10.0.2.3", "10.0.2.10", "10.0.2.11", "10.0.2.77")
)


def reaches(
    hops: str = "next_hop: 10.0.2.2", policies: str = "", target: str = "z", asked: str = "tcp/80"
) -> bool:
    (network,) = parse_file(TEXT.format(hops=hops, policies=policies), "red.yaml", ["node1"]).networks
    return Delivery(network).delivers("a", target, asked_services(asked)[0])


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        (f"next_hops: [{EAST}, {OTHER}]", True),
        (f"next_hops: [{EAST}, {M}]", False),  # Some of the flows end at a workload.
        (f"next_hops: [{EAST}, {NOBODY}]", True),
        (f"next_hops: [{EAST}, {NOWHERE}]", True),
        (f"next_hops: [{NOBODY}, {NOWHERE}]", False),
    ],
)
def test_a_port_is_reached_if_every_way_leads_there(hops: str, expected: bool) -> None:
    assert reaches(hops) is expected


def test_the_policy_with_the_highest_priority_decides() -> None:
    drop = '{name: d, priority: 5, match: "tcp,dport=80", action: drop}'
    allow = '{name: a, priority: 9, match: "ip4,src=10.0.1.10", action: allow}'
    astray = '{name: r, priority: 7, match: "udp", action: reroute, next_hop: 10.0.2.10}'
    assert not reaches(policies=drop) and reaches(policies=drop, asked="tcp/81")
    assert reaches(policies=f"{drop}, {allow}")
    assert not reaches(policies=astray, asked="udp/53") and reaches(policies=astray)
    assert reaches(policies=astray, target="m", asked="udp/53")


def test_a_policy_goes_before_a_missing_route() -> None:
    found = '{name: r, priority: 7, match: "ip4,dst=10.0.3.0/24", action: reroute, next_hop: 10.0.2.3}'
    assert reaches(hops="next_hop: 10.0.2.77", policies=found)


def test_a_packet_that_goes_round_arrives_nowhere() -> None:
    loop = '{name: r, priority: 7, match: "ip4,dst=10.0.3.10", action: reroute, next_hop: 10.0.2.3}'
    back = TEXT.replace(
        "routes: [{{prefix: 192.0.2.0/24, next_hop: 10.0.2.1}}]",
        "policies: [{{name: b, priority: 1, match: ip4, action: reroute, next_hop: 10.0.2.1}}]",
    )
    (network,) = parse_file(
        back.format(hops="next_hop: 10.0.2.2", policies=loop), "x.yaml", ["node1"]
    ).networks
    assert not Delivery(network).delivers("a", "z", asked_services("tcp/80")[0])


def test_a_child_port_is_a_next_hop_as_any_other() -> None:
    text = (
        TEXT
        + """\
      - {{name: box, switch: right, node: node1, addresses: []}}
      - {{name: kid, switch: middle, parent: box, tag: 7, addresses: [10.0.2.12]}}
"""
    )
    kid = "{address: 10.0.2.12}"
    hops = f"next_hops: [{EAST}, {kid}, {NOWHERE}]"
    (network,) = parse_file(text.format(hops=hops, policies=""), "red.yaml", ["node1"]).networks
    west = next(one for one in network.routers if one.name == "west")
    found = ways(View(network, allocate((network,), Ids())), west, west.routes[0].hops)
    assert {one.hop.address for one in found} == {"10.0.2.2", "10.0.2.12"}
    assert not Delivery(network).delivers("a", "z", asked_services("tcp/80")[0])
