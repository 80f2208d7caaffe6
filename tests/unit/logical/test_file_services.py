"""Services in a file: what it may say, what is refused with its line, and what is filled in and stays."""

from __future__ import annotations

import pytest

from tulle.control import allocate
from tulle.errors import InvalidInput
from tulle.logical import (
    compile_network,
    compile_services,
    diff,
    document_of,
    emit_file,
    network_of,
    parse_file,
)
from tulle.openflow.flows import emit_flow, meter_id
from tulle.values import Dhcp, Dns, Ids, LabFile, Network, StaticRoute, cookie_for

TEXT = """\
networks:
  - name: shop
    dns: {domain: shop.internal}
    forwarding: dual
    switches:
      - name: web
        subnets: [10.0.1.0/24, "fd00:1::/64"]
        dhcp: {lease_s: 600, dns: [10.0.1.53], domain: web.internal,
               routes: [{prefix: 10.7.0.0/16, next_hop: 10.0.1.9}]}
      - {name: lone, subnets: [10.0.2.0/24], dhcp: true}
    routers:
      - {name: core, ports: [{switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"], ra: slaac}]}
    ports:
      - {name: web1, switch: web, mac: "02:00:00:00:00:11", configure: dhcp}
      - {name: lone1, switch: lone}
"""


def parsed(text: str = TEXT, known: Network | None = None) -> Network:
    before = {} if known is None else {known.name: known}
    return parse_file(text, "shop.yaml", known=before).networks[0]


def addresses(network: Network) -> dict[str, tuple[str, ...]]:
    return {port.name: port.addresses for port in network.ports}


def test_services_are_read_as_they_are_written() -> None:
    network = parsed()
    lone, web = network.switches
    routes = (StaticRoute("10.7.0.0/16", "10.0.1.9"),)
    assert web.dhcp == Dhcp(600, ("10.0.1.53",), "web.internal", routes) and lone.dhcp == Dhcp()
    assert network.dns == Dns("shop.internal")
    assert network.routers[0].ports[0].ra == "slaac"
    assert next(port for port in network.ports if port.name == "web1").configure == "dhcp"


def test_services_come_back_from_files_and_documents() -> None:
    network = parsed()
    assert parsed(emit_file(LabFile((network,)))) == network
    assert network_of(document_of(network)) == network


def test_a_network_without_services_says_nothing_of_them_and_has_no_flow_for_them() -> None:
    plain = parsed(
        TEXT.replace("    dns: {domain: shop.internal}\n", "")
        .replace(", ra: slaac", "")
        .replace(", configure: dhcp", "")
        .replace(", dhcp: true", "")
        .replace("\n".join(TEXT.splitlines()[7:9]) + "\n", "")
    )
    words = set(str(document_of(plain)).replace("'", " ").split())
    assert words.isdisjoint({"dhcp", "dns", "ra", "forwarding", "service_addresses"})
    ids = allocate((plain,), Ids())
    owners = {one.owner for one in compile_network(plain, ids)}
    assert not any("DHCP" in one or "DNS" in one or "services" in one for one in owners)
    assert compile_services(plain, ids) == ()


def test_only_what_is_missing_is_filled_in() -> None:
    network = parsed()
    # By RFC 4291 appendix A out of the MAC address; the highest free address answers where there is no router.
    assert addresses(network)["web1"] == ("10.0.1.2", "fd00:1::ff:fe00:11")
    assert addresses(network)["lone1"] == ("10.0.2.1",)
    assert {one.name: one.service_addresses for one in network.switches} == {
        "web": (),
        "lone": ("10.0.2.254",),
    }


def test_addresses_stay_when_others_come_and_go() -> None:
    first = parsed()
    earlier = TEXT.replace("    ports:\n", "    ports:\n      - {name: a-first, switch: lone}\n")
    second = parsed(earlier, first)
    assert addresses(second)["lone1"] == addresses(first)["lone1"] == ("10.0.2.1",)
    assert addresses(second)["a-first"] == ("10.0.2.2",)
    third = parsed(earlier.replace("      - {name: lone1, switch: lone}\n", ""), second)
    assert addresses(third)["a-first"] == ("10.0.2.2",)
    assert diff(third, parsed(earlier.replace("      - {name: lone1, switch: lone}\n", ""), third)) == ()


def test_an_address_is_given_anew_where_the_old_one_cannot_stay() -> None:
    first = parsed()
    moved = parsed(TEXT.replace("subnets: [10.0.2.0/24]", "subnets: [10.0.5.0/24]"), first)
    assert addresses(moved)["lone1"] == ("10.0.5.1",) and moved.switches[0].service_addresses == (
        "10.0.5.254",
    )
    taken = TEXT + "      - {name: other, switch: lone, addresses: [10.0.2.1]}\n"
    assert addresses(parsed(taken, first)) == {
        **addresses(first),
        "lone1": ("10.0.2.2",),
        "other": ("10.0.2.1",),
    }
    wider = TEXT.replace("subnets: [10.0.2.0/24]", 'subnets: [10.0.2.0/24, "fd00:2::/64"]')
    assert addresses(parsed(wider, first))["lone1"] == ("10.0.2.1", "fd00:2::1")


MISTAKES = [
    ("lease_s: 600", "lease_s: 5", 8, "lease_s"),
    ("dns: [10.0.1.53]", "dns: [10.0.1.530]", 8, "switch web: dhcp: dns"),
    ("domain: web.internal", 'domain: "web internal"', 8, "a domain such as"),
    ("domain: shop.internal", "domain: -shop", 3, "a domain such as"),
    ("prefix: 10.7.0.0/16", 'prefix: "fd00:7::/64"', 9, "an IPv4 prefix"),
    ("next_hop: 10.0.1.9", "next_hop: 10.0.8.9", 9, "10.0.8.9 is outside the subnets"),
    ("ra: slaac", "ra: always", 12, "off or slaac or dhcpv6"),
    ("ra: slaac", "ra: dhcpv6", None, ""),
    (
        'addresses: [10.0.1.1/24, "fd00:1::1/64"], ra',
        "addresses: [10.0.1.1/24], ra",
        12,
        "ra needs an IPv6 address",
    ),
    ("configure: dhcp", "configure: bootp", 14, "agent or dhcp"),
    ("configure: dhcp", 'addresses: [10.0.1.5, "fd00:1::5"]', None, ""),
    ("subnets: [10.0.2.0/24], dhcp: true", "dhcp: true", 10, "dhcp needs a subnet"),
    ("dhcp: true", "dhcp: true, service_addresses: [10.0.3.4]", 10, "outside the subnets"),
    ("dhcp: true", "dhcp: perhaps", 10, "true or false"),
    ("forwarding: dual", "forwarding: ipv4", 7, "fd00:1::/64 in a network whose forwarding is ipv4"),
    ("forwarding: dual", "forwarding: ipx", 4, "dual or ipv4 or ipv6 or l2"),
    ("forwarding: dual", "forwarding: l2", 12, "router core in a network whose forwarding is l2"),
    ("dns: {domain", "dns: {domian", 3, "unknown key 'domian'"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), MISTAKES, ids=[f"{one[1]}" for one in MISTAKES])
def test_a_mistake_is_refused_with_its_line(old: str, new: str, line: int | None, said: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    if line is None:
        parsed(text)
        return
    with pytest.raises(InvalidInput) as caught:
        parsed(text)
    assert f"shop.yaml:{line}" in str(caught.value) and said in str(caught.value), caught.value


def test_rules_hold_for_documents_too() -> None:
    document = document_of(parsed())
    document["ports"][1]["addresses"] = ["10.0.1.2", "fd00:1::2"]
    assert document["ports"][1]["name"] == "web1"
    with pytest.raises(InvalidInput, match="port web1: the router advertises web with slaac"):
        network_of(document)
    document = document_of(parsed())
    del document["switches"][0]["service_addresses"]
    with pytest.raises(InvalidInput, match="switch lone: dhcp needs a router port there"):
        network_of(document)


def test_a_port_with_addresses_of_its_own_gets_the_one_that_its_workload_will_make() -> None:
    network = parsed(TEXT.replace("configure: dhcp", 'addresses: [10.0.1.5, "fd00:1::5"]'))
    assert addresses(network)["web1"] == ("10.0.1.5", "fd00:1::5", "fd00:1::ff:fe00:11")


def test_under_a_default_that_denies_workloads_still_ask_their_own_services() -> None:
    network = parsed(TEXT.replace("    forwarding: dual\n", "    default_deny: [from-port]\n"))
    flows = compile_network(network, allocate((network,), Ids()))
    let_through = [one for one in flows if one.table == 57 and one.priority == 20]
    ports = {field.value for one in let_through for field in one.match if field.field == "udp_dst"}
    assert ports == {53, 67, 547}


def test_all_questions_of_a_network_share_one_meter() -> None:
    network = parsed()
    flows = compile_network(network, allocate((network,), Ids()))
    shares = {action.share for one in flows for action in one.actions if getattr(action, "share", "")}
    assert shares == {"services shop"}
    texts = [emit_flow(one, {}) or "" for one in flows if any(getattr(a, "share", "") for a in one.actions)]
    meter = f"meter_id={meter_id(cookie_for('services shop'))}"
    assert len(texts) > 5 and all(meter in text for text in texts), texts
