"""Packets through the compiled flows of both planes, on all nodes of the example."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabric import Fabric, Packet, number, packet, ports_of

from tulle import encap
from tulle.logical import parse_file
from tulle.values import Encapsulation

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "two-tenants.yaml"
ROUTER_WEB, ROUTER_DB = "02:00:00:00:01:01", "02:00:00:00:02:01"
MACS = {
    name: f"02:00:00:00:0{1 if name[:3] == 'web' else 2}:1{name[-1]}"
    for name in ("web1", "web2", "web3", "db1", "db2")
}
BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(parse_file(EXAMPLE.read_text(), EXAMPLE.name))


def ip4(source: str, to_mac: str, to: str, **more: object) -> Packet:
    """An ICMP echo request unless `more` says otherwise."""
    home = f"10.0.{1 if source[:3] == 'web' else 2}.1{source[-1]}"
    base = {"dl_src": MACS[source], "dl_dst": to_mac, "dl_type": 0x0800, "nw_src": home, "nw_dst": to}
    return packet(**base, **{"nw_ttl": 64, "nw_proto": 1, "icmp_type": 8} | more)


def ip6(source: str, to_mac: str, to: str, **more: object) -> Packet:
    home = f"fd00:{1 if source[:3] == 'web' else 2}::1{source[-1]}"
    base = {"dl_src": MACS[source], "dl_dst": to_mac, "dl_type": 0x86DD, "ipv6_src": home, "ipv6_dst": to}
    return packet(**base | {"nw_ttl": 64, "nw_proto": 58, "icmpv6_type": 128} | more)


def arp(source: str, target: str, sender: str | None = None) -> Packet:
    return packet(
        dl_src=MACS[source], dl_dst=BROADCAST, dl_type=0x0806, arp_op=1, arp_sha=MACS[source],
        arp_spa=sender or f"10.0.1.1{source[-1]}", arp_tha="00:00:00:00:00:00", arp_tpa=target,
    )  # fmt: skip


def solicitation(source: str, target: str, **more: object) -> Packet:
    asked = {"nd_target": target, "nd_options_type": 1, "nd_sll": MACS[source], "nd_reserved": 0}
    return ip6(
        source, "33:33:ff:00:00:11", "ff02::1:ff00:11", **{"icmpv6_type": 135, "nw_ttl": 255, **asked} | more
    )


@pytest.mark.parametrize("tenant", ["red", "blue"])
@pytest.mark.parametrize(
    ("source", "target", "tunnels"),
    [
        ("web1", "web2", [("node1", "node2", "stt")]),
        ("web1", "web3", [("node1", "node3", "vxlan")]),
        ("web3", "web1", [("node3", "node1", "vxlan")]),
        ("web3", "web2", [("node3", "node2", "vxlan")]),
    ],
)
def test_a_packet_reaches_its_switch_mate_through_the_right_tunnel(
    fabric: Fabric, tenant: str, source: str, target: str, tunnels: list[tuple[str, str, str]]
) -> None:
    sent = ip4(source, MACS[target], f"10.0.1.1{target[-1]}")
    outcome = fabric.send(f"{tenant}/{source}", sent)
    assert outcome.delivered == [(f"{tenant}/{target}", sent)], outcome.path
    assert outcome.tunnels == tunnels


@pytest.mark.parametrize(
    ("source", "target", "nodes"),
    [
        ("web1", "db1", []),
        ("web1", "db2", [("node1", "node2", "stt")]),
        ("web3", "db1", [("node3", "node1", "vxlan")]),
        ("web2", "db1", [("node2", "node1", "stt")]),
    ],
)
def test_a_packet_crosses_the_router_where_it_starts(
    fabric: Fabric, source: str, target: str, nodes: list[tuple[str, str, str]]
) -> None:
    for sent in (
        ip4(source, ROUTER_WEB, f"10.0.2.1{target[-1]}"),
        ip6(source, ROUTER_WEB, f"fd00:2::1{target[-1]}"),
    ):
        outcome = fabric.send(f"red/{source}", sent)
        expected = sent | packet(dl_src=ROUTER_DB, dl_dst=MACS[target], nw_ttl=63)
        assert outcome.delivered == [(f"red/{target}", expected)], outcome.path
        assert outcome.tunnels == nodes


def test_a_broadcast_reaches_each_port_of_its_switch_once_and_no_other(fabric: Fabric) -> None:
    for source in ("web1", "web2", "web3"):
        sent = ip4(source, BROADCAST, "255.255.255.255", nw_proto=17)
        outcome = fabric.send(f"red/{source}", sent)
        others = sorted({"red/web1", "red/web2", "red/web3"} - {f"red/{source}"})
        assert ports_of(outcome.delivered) == others, outcome.path


@pytest.mark.parametrize("target", ["web2", "web3"])
def test_arp_for_a_known_address_is_answered_on_the_spot(fabric: Fabric, target: str) -> None:
    outcome = fabric.send("red/web1", arp("web1", f"10.0.1.1{target[-1]}"))
    assert ports_of(outcome.delivered) == ["red/web1"], outcome.path
    answer = outcome.delivered[0][1]
    assert answer == packet(
        dl_src=MACS[target], dl_dst=MACS["web1"], dl_type=0x0806, arp_op=2, arp_sha=MACS[target],
        arp_spa=f"10.0.1.1{target[-1]}", arp_tha=MACS["web1"], arp_tpa="10.0.1.11",
    )  # fmt: skip
    assert outcome.tunnels == []


def test_arp_for_an_unknown_address_ends_where_it_is_asked(fabric: Fabric) -> None:
    outcome = fabric.send("red/web1", arp("web1", "10.0.1.99"))
    assert (outcome.delivered, outcome.dropped) == ([], ["unknown address red/web"])


@pytest.mark.parametrize("sender", ["0.0.0.0", "10.0.1.11"])
def test_a_question_about_ones_own_address_gets_no_answer(fabric: Fabric, sender: str) -> None:
    outcome = fabric.send("red/web1", arp("web1", "10.0.1.11", sender))
    assert ports_of(outcome.delivered) == ["red/web2", "red/web3"], outcome.path
    assert all(frame["arp_op"] == 1 for _, frame in outcome.delivered)


def test_a_solicitation_is_answered_with_an_advertisement(fabric: Fabric) -> None:
    for target, mac, flags in (
        ("fd00:1::12", MACS["web2"], 0x60000000),
        ("fd00:1::1", ROUTER_WEB, 0xE0000000),
    ):
        outcome = fabric.send("red/web1", solicitation("web1", target))
        assert ports_of(outcome.delivered) == ["red/web1"], outcome.path
        answer = outcome.delivered[0][1]
        expected = packet(
            icmpv6_type=136, nd_target=target, nd_options_type=2, nd_tll=mac, nd_reserved=flags, nw_ttl=255,
            ipv6_src=target, ipv6_dst="fd00:1::11", dl_src=mac, dl_dst=MACS["web1"],
        )  # fmt: skip
        assert {name: answer[name] for name in expected} == expected


def test_a_probe_for_duplicates_is_met_with_silence(fabric: Fabric) -> None:
    outcome = fabric.send("red/web1", solicitation("web1", "fd00:1::11", ipv6_src="::", nd_options_type=0))
    assert outcome.delivered == []
    assert outcome.dropped == ["unknown address red/web (duplicate address probe)"]


def test_a_solicitation_that_was_routed_is_not_answered_here(fabric: Fabric) -> None:
    outcome = fabric.send("red/web1", solicitation("web1", "fd00:1::12", nw_ttl=254))
    assert "red/web1" not in ports_of(outcome.delivered), outcome.path


@pytest.mark.parametrize("address", ["10.0.1.1", "10.0.2.1"])
def test_the_router_answers_a_ping_to_any_of_its_addresses(fabric: Fabric, address: str) -> None:
    outcome = fabric.send("red/web1", ip4("web1", ROUTER_WEB, address, nw_ttl=1))
    expected = ip4("web1", ROUTER_WEB, address) | packet(
        dl_src=ROUTER_WEB, dl_dst=MACS["web1"], nw_src=address, nw_dst="10.0.1.11", icmp_type=0, nw_ttl=64
    )
    # The answer leaves by the port where the question came in, which only a hairpin check could stop.
    assert outcome.delivered == [("red/web1", expected)], outcome.path


def test_the_router_refuses_what_it_cannot_forward(fabric: Fabric) -> None:
    for sent, reason in (
        (ip4("web1", ROUTER_WEB, "10.0.2.11", nw_ttl=1), "ttl-exceeded"),
        (ip6("web1", ROUTER_WEB, "fd00:2::11", nw_ttl=1), "ttl-exceeded"),
        (ip4("web1", ROUTER_WEB, "10.0.2.99"), "host-unreachable"),
        (ip6("web1", ROUTER_WEB, "fd00:2::99"), "host-unreachable"),
        (ip4("web1", ROUTER_WEB, "192.0.2.1"), "net-unreachable"),
        (ip6("web1", ROUTER_WEB, "2001:db8::1"), "net-unreachable"),
    ):
        outcome = fabric.send("red/web1", sent)
        assert (outcome.punted, outcome.delivered) == ([reason], []), outcome.path


@pytest.mark.parametrize("address", ["224.0.0.5", "169.254.1.1"])
def test_what_must_not_be_routed_ends_at_the_router(fabric: Fabric, address: str) -> None:
    outcome = fabric.send("red/web1", ip4("web1", ROUTER_WEB, address))
    assert outcome.dropped == ["router red/core (not routed)"], outcome.path


def test_an_acl_drops_on_the_node_of_the_target_and_under_its_own_name(fabric: Fabric) -> None:
    for source, target in (("web1", "db1"), ("web1", "db2"), ("web3", "db2")):
        sent = ip4(source, ROUTER_WEB, f"10.0.2.1{target[-1]}", nw_proto=6, tcp_dst=22)
        outcome = fabric.send(f"red/{source}", sent)
        assert (outcome.delivered, outcome.dropped) == ([], ["acl red/no-ssh-to-db"]), outcome.path
        assert outcome.path[-1].startswith(fabric.homes[f"red/{target}"])
        allowed = fabric.send(f"red/{source}", sent | {"tcp_dst": 80})
        assert ports_of(allowed.delivered) == [f"red/{target}"], allowed.path


def test_no_packet_of_one_tenant_reaches_the_other(fabric: Fabric) -> None:
    for source in MACS:
        for target_mac in (*MACS.values(), ROUTER_WEB, ROUTER_DB, BROADCAST):
            for target in ("10.0.1.12", "10.0.2.12", "10.0.2.11"):
                outcome = fabric.send(f"blue/{source}", ip4(source, target_mac, target))
                assert all(name.startswith("blue/") for name, _ in outcome.delivered), outcome.path
                assert all("red/" not in step for step in outcome.path), outcome.path


def test_a_packet_to_itself_is_not_reflected(fabric: Fabric) -> None:
    outcome = fabric.send("red/web1", ip4("web1", MACS["web1"], "10.0.1.11"))
    assert outcome.dropped == ["hairpin red/web1"]


def test_an_unknown_mac_address_is_not_flooded(fabric: Fabric) -> None:
    outcome = fabric.send("red/web1", ip4("web1", "02:00:00:00:99:99", "10.0.1.99"))
    assert (outcome.delivered, outcome.dropped) == ([], ["unknown destination red/web"])


def test_nothing_goes_from_one_tunnel_into_another(fabric: Fabric) -> None:
    web = fabric.ids.datapaths["red/web"]
    for mac in (MACS["web3"], BROADCAST):
        sent = ip4("web3", mac, "10.0.1.13") | {"tun_id": web}
        outcome = fabric.receive_from_tunnel("node1", "node3", sent)
        assert outcome.tunnels == [], outcome.path
    outcome = fabric.receive_from_tunnel(
        "node1", "node2", ip4("web2", BROADCAST, "10.0.1.255") | {"tun_id": 0xFFFF << 24 | web}
    )
    assert (outcome.tunnels, ports_of(outcome.delivered)) == ([], ["red/web1"])


@pytest.mark.parametrize("context", [0, 1, 0xFFFFFF, 2**64 - 1, 0x0001_7FFF_000006])
def test_a_context_that_nobody_gave_out_ends_in_a_drop(fabric: Fabric, context: int) -> None:
    outcome = fabric.receive_from_tunnel(
        "node1", "node2", ip4("web2", MACS["web1"], "10.0.1.11") | {"tun_id": context}
    )
    assert (outcome.delivered, outcome.dropped) == ([], ["unknown context"]), outcome.path


@pytest.fixture(scope="module")
def with_foreign_endpoint() -> Fabric:
    """Node 3 has no agent, and two ports that node 1 has to route between."""
    text = EXAMPLE.read_text().replace("encapsulations: [vxlan]}", "encapsulations: [vxlan], external: true}")
    text = text.replace(
        "      - name: db2\n        switch: db\n        node: node2",
        "      - name: db2\n        switch: db\n        node: node3",
    )
    return Fabric(parse_file(text, "foreign.yaml"))


def test_an_endpoint_without_agent_is_answered_through_its_tunnel(with_foreign_endpoint: Fabric) -> None:
    sent = arp("web3", "10.0.1.11") | {"tun_id": with_foreign_endpoint.ids.datapaths["red/web"]}
    outcome = with_foreign_endpoint.receive_from_tunnel("node1", "node3", sent)
    assert outcome.tunnels == [("node1", "node3", "vxlan")], outcome.path
    (name, answer) = outcome.delivered[0]
    assert (name, answer["arp_op"], answer["arp_spa"]) == ("external node3", 2, number("10.0.1.11"))
    assert answer["tun_id"] == sent["tun_id"]


def test_an_endpoint_without_agent_is_routed_back_to_itself(with_foreign_endpoint: Fabric) -> None:
    datapaths = with_foreign_endpoint.ids.datapaths
    sent = ip4("web3", ROUTER_WEB, "10.0.2.12") | {"tun_id": datapaths["red/web"]}
    outcome = with_foreign_endpoint.receive_from_tunnel("node1", "node3", sent)
    (name, routed) = outcome.delivered[0]
    assert (name, routed["dl_dst"], routed["tun_id"]) == (
        "external node3",
        number(MACS["db2"]),
        datapaths["red/db"],
    )


def test_a_toy_encapsulation_carries_the_same_networks() -> None:
    toy = Encapsulation("toy", 32, 40)
    encap.register(toy)
    try:
        text = EXAMPLE.read_text().replace("[stt, vxlan]", "[toy]").replace("[vxlan]", "[toy]")
        fabric = Fabric(parse_file(text, "toy.yaml", encapsulations=encap.encapsulations()))
    finally:
        encap.unregister("toy")
    for target in ("web2", "web3"):
        outcome = fabric.send("red/web1", ip4("web1", MACS[target], f"10.0.1.1{target[-1]}"))
        assert ports_of(outcome.delivered) == [f"red/{target}"], outcome.path
        assert [name for *_, name in outcome.tunnels] == ["toy"]
    assert number("02:00:00:00:00:01") == 0x020000000001
