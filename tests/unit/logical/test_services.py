"""Address translation and load balancers: files, what is refused, what costs nothing, what reachability knows."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tulle.control import allocate, compile_node
from tulle.encap import encapsulations
from tulle.errors import InvalidInput
from tulle.logical import compile_network, diff, document_of, emit_file, network_of, parse_file, reach_change
from tulle.values import Binding, Flow, Ids, Network, SetField, Translate, Zone, pipeline

TEXT = """networks:
  - name: red
    switches:
      - {name: outside, subnets: [192.0.2.0/24, "2001:db8::/64"]}
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
      - {name: alone, subnets: [10.0.9.0/24]}
    routers:
      - name: core
        ports:
          - {switch: outside, addresses: [192.0.2.1/24, "2001:db8::1/64"]}
          - {switch: web, addresses: [10.0.1.1/24, "fd00:1::1/64"]}
        nat:
          - {name: all, kind: snat, external: 192.0.2.1, logical: 0.0.0.0/0}
          - {name: mail, kind: dnat-and-snat, external: 192.0.2.25, logical: 10.0.1.25}
    ports:
      - {name: far, switch: outside, addresses: [192.0.2.13, "2001:db8::13"]}
      - {name: web1, switch: web, addresses: [10.0.1.11, "fd00:1::11"]}
      - {name: web2, switch: web, addresses: [10.0.1.12]}
      - {name: mail, switch: web, addresses: [10.0.1.25]}
      - {name: lonely, switch: alone, addresses: [10.0.9.9]}
    load_balancers:
      - {name: shop, router: core, protocol: tcp, vips: [192.0.2.80], dport: 80, check_s: 5,
         backends: [{port: web2}, {port: web1, dport: 8080}]}
      - {name: dns, switch: web, protocol: udp, vips: [10.0.1.53], dport: 53, affinity: source,
         backends: [{address: 10.0.1.25}]}
"""


def network(text: str = TEXT) -> Network:
    return parse_file(text, "red.yaml").networks[0]


def flows(one: Network, down: frozenset[tuple[str, str]] = frozenset()) -> tuple[Flow, ...]:
    return compile_network(one, allocate((one,), Ids()), down)


def test_a_file_comes_back_as_it_was_written() -> None:
    document = parse_file(TEXT, "red.yaml")
    assert parse_file(emit_file(document), "again") == document
    assert network_of(document_of(network())) == network()


def test_a_difference_names_the_rule() -> None:
    changed = network(TEXT.replace("external: 192.0.2.25", "external: 192.0.2.26"))
    assert [one.path for one in diff(network(), changed)] == ["red/routers/core/nat/mail/external"]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("external: 192.0.2.25", "external: 198.51.100.9", "198.51.100.9 is on no subnet of router core"),
        ("external: 192.0.2.25", "external: 192.0.2.13", "192.0.2.13 is an address of port far"),
        ("external: 192.0.2.25", "external: 192.0.2.1", "only snat can use it"),
        ("external: 192.0.2.25", "external: 192.0.2.255", "stands for all"),
        ("external: 192.0.2.25", "external: here", "an address such as"),
        ("external: 192.0.2.25", 'external: "2001:db8::25"', "another family"),
        ("logical: 10.0.1.25", "logical: 10.0.1.26", "no port has the address 10.0.1.26"),
        ("logical: 10.0.1.25", "logical: 192.0.2.13", "port far (192.0.2.13) is not behind router core"),
        ("logical: 10.0.1.25", "logical: 10.0.9.9", "port lonely (10.0.9.9) is not behind router core"),
        ("logical: 10.0.1.25", "logical: 10.0.1.0/24", "an address such as"),
        ("logical: 0.0.0.0/0", "logical: 10.0.9.0/24", "holds no address behind router core"),
        ("kind: snat", "kind: masquerade", "snat or dnat or dnat-and-snat was expected"),
        ("name: mail, kind", "name: all, kind", "the nat name all is used twice"),
        ("vips: [192.0.2.80]", "vips: [192.0.2.13]", "192.0.2.13 is an address of port far"),
        ("vips: [192.0.2.80]", "vips: [192.0.2.25]", "the external address of nat mail"),
        ("vips: [192.0.2.80]", "vips: [10.0.9.1]", "is on a subnet of switch alone, where nobody answers"),
        ("vips: [192.0.2.80]", 'vips: ["2001:db8::80"]', "port web2 has no IPv6 address to serve"),
        ("vips: [192.0.2.80]", "vips: []", "has no virtual IP"),
        ("vips: [10.0.1.53]", "vips: [10.0.1.1]", "10.0.1.1 is an address of router core"),
        ("{port: web2}", "{port: wep2}", "unknown port 'wep2'; did you mean 'web2'?"),
        ("{port: web2}", "{port: web2, address: 10.0.1.12}", "either a port or an address"),
        ("{port: web2}", "{port: web1, dport: 8080}", "the backend web1 at 8080 is used twice"),
        ("{address: 10.0.1.25}", "{address: 192.0.2.25}", "is translated itself"),
        ("router: core, protocol", "router: cor, protocol", "unknown router 'cor'"),
        ("switch: web, protocol", "switch: web, router: core, protocol", "either a switch or a router"),
        ("dport: 53", "dport: 70000", "a number from 1 to 65535 was expected"),
        ("affinity: source", "affinity: sticky", "connection or source was expected"),
        ("check_s: 5", "chek_s: 5", "unknown key 'chek_s'"),
    ],
)
def test_what_contradicts_is_refused_with_its_line(right: str, wrong: str, said: str) -> None:
    text = TEXT.replace(right, wrong, 1)
    assert text != TEXT
    with pytest.raises(InvalidInput) as caught:
        network(text)
    assert said in str(caught.value)
    line = TEXT[: TEXT.index(right)].count("\n") + 1
    # The backends of a load balancer are in the line after its name.
    assert any(f"red.yaml:{one}" in str(caught.value) for one in (line, line + 1)), caught.value


def test_one_virtual_ip_serves_one_thing_at_a_port() -> None:
    twice = TEXT.replace("name: dns, switch: web", "name: dns, router: core")
    twice = twice.replace(
        "protocol: udp, vips: [10.0.1.53], dport: 53", "protocol: tcp, vips: [192.0.2.80], dport: 80"
    )
    with pytest.raises(InvalidInput, match=r"192\.0\.2\.80 is used twice"):
        network(twice)


def test_two_ways_to_the_outside_are_refused() -> None:
    """Nobody could say by which of them an answer comes back."""
    around = TEXT.replace(
        "    ports:\n      - {name: far",
        "      - name: other\n        ports:\n"
        "          - {switch: outside, addresses: [192.0.2.2/24]}\n"
        "          - {switch: web, addresses: [10.0.1.2/24]}\n"
        "    ports:\n      - {name: far",
    )
    with pytest.raises(InvalidInput, match="outside of port core-outside one gets to port core-web"):
        network(around)


def without_services(one: Network) -> Network:
    routers = tuple(replace(router, nat=()) for router in one.routers)
    return replace(one, routers=routers, load_balancers=())


def test_networks_that_translate_nothing_have_none_of_its_tables_or_registers() -> None:
    plain = without_services(network())
    ids, bindings = allocate((plain,), Ids()), [Binding("red", port.name, "n1") for port in plain.ports]
    placed = compile_node("n1", (plain,), bindings, (), ids, encapsulations())
    made = (*flows(plain), *placed)
    assert not [one for one in made if 70 <= one.table < 90]
    registers = {action.field for one in made for action in one.actions if isinstance(action, SetField)}
    assert not registers & {"reg6", "reg7", "reg8", "reg9"}


def test_translations_are_remembered_in_zones_that_acls_do_not_use() -> None:
    one = network()
    ids, bindings = allocate((one,), Ids()), [Binding("red", "web1", "n1")]
    placed = compile_node("n1", (one,), bindings, (), ids, encapsulations())
    zones = {a.value for f in placed for a in f.actions if isinstance(a, SetField) and a.field == "reg9"}
    assert zones == {Zone("red/web1")}


def targets_of(made: tuple[Flow, ...], table: int) -> set[tuple[str, int | None]]:
    actions = (action for one in made if one.table == table for action in one.actions)
    return {(one.address, one.port) for one in actions if isinstance(one, Translate)}


def test_a_backend_that_is_down_keeps_its_place_and_gets_nothing() -> None:
    down = frozenset({("shop", "10.0.1.12")})
    made = flows(network(), down)
    assert ("10.0.1.12", 80) not in targets_of(made, pipeline.BACKEND) | targets_of(
        made, pipeline.OTHER_BACKEND
    )
    assert targets_of(made, pipeline.OTHER_BACKEND) == {("10.0.1.11", 8080)}


def test_without_any_backend_connections_end_under_the_name_of_the_load_balancer() -> None:
    down = frozenset({("shop", "10.0.1.12"), ("shop", "10.0.1.11")})
    ends = [
        one.owner for one in flows(network(), down) if one.table == pipeline.TRANSLATION and not one.actions
    ]
    assert ends == ["balancer red/shop (no backend is up)"]


def bound(text: str) -> Network:
    one = network(text)
    return replace(one, ports=tuple(replace(port, node="n1") for port in one.ports))


def test_reachability_knows_that_acls_outside_see_the_external_address() -> None:
    rule = "    acls:\n      - {name: no, direction: to-port, port: far, priority: 1, match: SRC, action: drop}\n"
    before = bound(TEXT)
    by_own = bound(TEXT + rule.replace("SRC", '"src=10.0.1.0/24"'))
    assert reach_change(before, by_own).lost == ()
    by_external = bound(TEXT + rule.replace("SRC", '"src=192.0.2.1"'))
    lost = reach_change(before, by_external).lost
    assert {one.targets for one in lost} == {("far",)}, lost
    assert {source for one in lost for source in one.sources} == {"web1", "web2"}, lost
