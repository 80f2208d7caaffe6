"""Routes, policies and what ports are held to, in a file: what is read, and what is refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.logical import document_of, emit_file, network_of, parse_file, parse_match, problems
from tulle.logical.rules_changed import is_sound_change
from tulle.values import LabFile, Marking, NextHop, Qos, Rate

TEXT = """networks:
  - name: red
    switches:
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
      - {name: edge, subnets: [10.0.9.0/24]}
    routers:
      - name: main
        ports:
          - {switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"]}
          - {switch: edge, addresses: [10.0.9.1/24]}
        routes:
          - {prefix: 192.0.2.0/24, next_hop: 10.0.9.11}
          - {prefix: 0.0.0.0/0, next_hops: [{address: 10.0.9.12, weight: 3}, {address: 10.0.9.11}]}
        policies:
          - {name: mail, priority: 20, match: "tcp,src=$some,dport=25", action: reroute, next_hop: 10.0.9.12}
          - {name: telnet, priority: 10, match: "tcp,dport=23", action: drop}
    address_sets: [{name: some, addresses: [10.0.1.0/24]}]
    ports:
      - name: w1
        switch: web
        addresses: [10.0.1.11, "fd00:1::11"]
        qos:
          from_port: {rate_kbps: 1000}
          to_port: {rate_kbps: 2000, burst_kbit: 600}
          dscp: 0
          markings: [{match: "udp,dport=53", dscp: 46}]
"""


def test_all_of_it_is_read() -> None:
    (network,) = parse_file(TEXT, "red.yaml").networks
    (router,), (port,) = network.routers, network.ports
    default, single = router.routes
    assert default.hops == (NextHop("10.0.9.11"), NextHop("10.0.9.12", 3)) and not default.next_hop
    assert single.hops == (NextHop("10.0.9.11"),) and not single.next_hops
    assert [(one.name, one.action, one.next_hops) for one in router.policies] == [
        ("mail", "reroute", (NextHop("10.0.9.12"),)),
        ("telnet", "drop", ()),
    ]
    markings = (Marking(parse_match("udp,dport=53"), 46),)
    assert port.qos == Qos(Rate(1000), Rate(2000, 600), 0, markings)


def test_a_file_that_is_written_is_read_as_the_same() -> None:
    read = parse_file(TEXT, "red.yaml")
    assert parse_file(emit_file(LabFile(read.networks)), "again.yaml").networks == read.networks
    assert network_of(document_of(read.networks[0])) == read.networks[0]


@pytest.mark.parametrize(
    ("line", "old", "new", "said"),
    [
        (13, "weight: 3", "weight: 0", "next hop: weight: a number from 1 to 100 was expected, '0' came"),
        (13, "{address: 10.0.9.11}]", "{address: 10.0.9.12}]", "the next hop 10.0.9.12 is used twice"),
        (13, "{address: 10.0.9.11}]", "{address: 10.7.9.12}]", "10.7.9.12 is on no subnet of router main"),
        (13, "{address: 10.0.9.11}]", "{address: 10.0.9.1}]", "10.0.9.1 is router main itself"),
        (
            13,
            "{address: 10.0.9.11}]",
            '{address: "fd00:1::5"}]',
            "fd00:1::5 is of another family than 0.0.0.0/0",
        ),
        (12, "next_hop: 10.0.9.11", "next_hops: []", "route: next_hop is missing, or next_hops"),
        (12, ", next_hop: 10.0.9.11", "", "route: next_hop is missing, or next_hops"),
        (
            12,
            "next_hop: 10.0.9.11",
            "next_hop: 10.0.9.11, next_hops: [{address: 10.0.9.12}]",
            "route: one of next_hop and next_hops was expected, both came",
        ),
        (15, ", next_hop: 10.0.9.12", "", "policy mail: reroute needs next_hop or next_hops"),
        (15, "next_hop: 10.0.9.12", "next_hop: 10.7.0.1", "10.7.0.1 is on no subnet of router main"),
        (15, "src=$some", "src=$none", "policy mail: unknown address set 'none'"),
        (15, "tcp,src=$some", "tcp,src=fd00:1::/64", "next hop 10.0.9.12 is of another family"),
        (15, "tcp,src=$some,dport=25", "arp", "policy mail: a router forwards IP, the match is about ARP"),
        (16, "priority: 10", "priority: 20", "router main: the priority 20 is used twice"),
        (16, "name: telnet", "name: mail", "the policy name mail is used twice"),
        (16, "action: drop", "action: drop, next_hop: 10.0.9.12", "policy telnet: next hops are for reroute"),
        (23, "rate_kbps: 1000", "rate_kbps: 0", "rate: rate_kbps: a number from 1 to 400000000 was expected"),
        (
            24,
            "burst_kbit: 600",
            "burst_kbit: 12",
            "port w1: to_port: burst_kbit from 525 to 400000000 was expected",
        ),
        (25, "dscp: 0", "dscp: 64", "qos: dscp: a number from 0 to 63 was expected, '64' came"),
        (26, "udp,dport=53", "udp,dport=x", "marking: match, position 11: a number from 0 to 65535"),
        (26, "udp,dport=53", "ip4,src=$some", "port w1: marking: addresses and prefixes were expected"),
        (26, "udp,dport=53", "arp", "port w1: marking: only IP packets can be marked"),
    ],
)
def test_nonsense_is_refused_with_its_line(line: int, old: str, new: str, said: str) -> None:
    lines = TEXT.splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new)
    with pytest.raises(InvalidInput) as caught:
        parse_file("\n".join(lines), "red.yaml")
    text = f"{caught.value.where}: {caught.value.message}"
    assert said in text and f"red.yaml:{line}:" in text, text


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("parent: w1, tag: 7", "port w2 shares the device of w1, so it has no rate of its own"),
        ("localnet: lan", "port w2: many speak at a localnet port, so it has no rate"),
    ],
)
def test_a_port_that_shares_a_device_has_no_rate(port: str, why: str) -> None:
    text = f"{TEXT}      - {{name: w2, switch: web, {port}, qos: {{from_port: {{rate_kbps: 1000}}}}}}\n"
    with pytest.raises(InvalidInput, match=why):
        parse_file(text, "red.yaml")


def test_a_router_with_policies_is_looked_at_as_a_whole() -> None:
    (before,) = parse_file(TEXT, "red.yaml").networks
    (router,) = before.routers
    wrong = replace(before, address_sets=())
    assert problems(wrong) and not is_sound_change(before, wrong)
    twice = replace(before, routers=(replace(router, policies=router.policies * 2),))
    assert problems(twice) and not is_sound_change(before, twice)
    lost = replace(
        before,
        routers=(
            replace(router, ports=tuple(one for one in router.ports if one.switch != "edge"), routes=()),
        ),
    )
    assert problems(lost) and not is_sound_change(before, lost)
