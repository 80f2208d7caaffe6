"""Policies in files: groups, sets, tiers, defaults; what is refused, and how little a change changes."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from tulle.control import allocate
from tulle.errors import InvalidInput
from tulle.logical import (
    compile_network,
    diff,
    emit_file,
    network_of,
    parse_file,
    parse_match,
    problems,
    rules_acl,
)
from tulle.logical.port_security import link_local
from tulle.logical.snapshot import document_of
from tulle.values import AddressSet, Clause, Flow, Ids, Network

TEXT = """networks:
  - name: red
    default_deny: [to-port]
    switches:
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
    ports:
      - {name: web1, switch: web, addresses: [10.0.1.11, "fd00:1::11"]}
      - {name: web2, switch: web, addresses: [10.0.1.12], port_security: true}
      - {name: web3, switch: web, addresses: [10.0.1.13]}
    port_groups:
      - {name: webs, ports: [web2, web1]}
    address_sets:
      - {name: friends, addresses: ["fd00:9::/64", 192.0.2.9, 192.0.2.0/29]}
    acls:
      - {name: in, direction: to-port, group: webs, priority: 9,
         match: "tcp,src=$friends,dport=80", action: allow-related}
      - {name: out, direction: from-port, switch: web, priority: 9,
         match: "dst=@webs", action: drop, tier: 2, log: 5, audit: true}
"""


def network(text: str = TEXT) -> Network:
    return parse_file(text, "red.yaml").networks[0]


def flows(one: Network) -> dict[object, Flow]:
    return {flow.key: flow for flow in compile_network(one, allocate((one,), Ids()))}


def test_a_file_with_policies_comes_back_as_it_was_written() -> None:
    document = parse_file(TEXT, "red.yaml")
    assert parse_file(emit_file(document), "again") == document
    assert network_of(document_of(network())) == network()
    assert network().address_sets[0].addresses == ("192.0.2.0/29", "192.0.2.9", "fd00:9::/64")


def test_a_document_without_policies_is_as_it_always_was() -> None:
    bare = replace(network(), acls=(), port_groups=(), address_sets=(), default_deny=())
    assert not {"port_groups", "address_sets", "default_deny"} & document_of(bare).keys()
    assert [one.kind for one in diff(bare, network())] == ["added"] * 5


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("group: webs", "group: wbes", 15, "ACL in: unknown port group 'wbes'; did you mean 'webs'?"),
        ("$friends", "$fiends", 16, "ACL in: unknown address set 'fiends'; did you mean 'friends'?"),
        ("@webs", "@friends", 18, "ACL out: unknown port group 'friends'"),
        ("$friends", "$", 16, "match, position 9: the name of a set ($NAME) or group (@NAME) was expected"),
        ("[web2, web1]", "[web2, web9]", 11, "port group webs: unknown port 'web9'"),
        ("[web2, web1]", "[web1, web1]", 11, "port group webs: the port web1 is used twice"),
        ("192.0.2.9,", "192.0.2.900,", 13, "an address or a prefix was expected, '192.0.2.900' came"),
        ("192.0.2.9,", "192.0.2.0/29,", 13, "address set friends: the address 192.0.2.0/29 is used twice"),
        ("[to-port]", "[sideways]", 3, "from-port or to-port was expected, 'sideways' came"),
        ("tier: 2", "tier: 4", 18, "tier: a number from 0 to 3 was expected"),
        ("log: 5", "log: 5000", 18, "log: a number from 0 to 1000 was expected"),
        ("allow-related", "allow, audit: true", 16, "ACL in: audit is for drop and reject, allow came"),
        (
            "group: webs",
            "group: webs, port: web1",
            15,
            "an ACL needs either a switch or a port, or a port group",
        ),
        ("tcp,src=$friends,dport=80", "arp,src=$friends", 16, "arp goes with an address or a prefix"),
        ("name: friends", "name: Friends", 13, "a name of 1 to 63 of a-z"),
    ],
)
def test_a_mistake_in_a_policy_is_refused_with_its_name_and_line(
    old: str, new: str, line: int, said: str
) -> None:
    assert old in TEXT
    with pytest.raises(InvalidInput) as caught:
        parse_file(TEXT.replace(old, new, 1), "red.yaml")
    assert f"red.yaml:{line}: " in str(caught.value) and said in str(caught.value), caught.value


def test_contradictions_are_seen_through_groups_and_sets() -> None:
    other = "      - {name: no, direction: to-port, port: PORT, priority: 9, match: MATCH, action: drop}\n"

    def refused(port: str, match: str) -> bool:
        try:
            network(TEXT + other.replace("PORT", port).replace("MATCH", f'"{match}"'))
        except InvalidInput as error:
            assert "ACLs in and no of priority 9 contradict each other" in str(error)
            return True
        return False

    assert refused("web1", "tcp,src=192.0.2.1")
    assert refused("web1", "ip6")
    assert not refused("web1", "tcp,src=192.0.2.8")
    assert not refused("web3", "ip")
    assert not refused("web1", "udp")


def test_sets_on_both_sides_add_up_and_do_not_multiply() -> None:
    one = replace(network(), address_sets=(AddressSet("friends", tuple(f"192.0.2.{n}" for n in range(100))),))
    owned = [flow for flow in flows(one).values() if flow.owner == "acl red/in"]
    assert len(owned) == 100 + 2 + 1, len(owned)
    clauses = [action for flow in owned for action in flow.actions if isinstance(action, Clause)]
    assert {(one.number, one.of) for one in clauses} == {(1, 2), (2, 2)} and len(
        {one.id for one in clauses}
    ) == 1


def with_rules(count: int, addresses: int) -> Network:
    """So many ACLs for a set of so many addresses."""
    one = network()
    members = tuple(str(ip_address("10.9.0.0") + at) for at in range(addresses))
    rule = replace(one.acls[0], match=parse_match("tcp,src=$friends"))
    acls = tuple(replace(rule, name=f"r{at}", priority=at + 1) for at in range(count))
    return replace(one, address_sets=(AddressSet("friends", members),), acls=acls)


def test_sets_times_rules_are_counted_before_they_are_multiplied_out() -> None:
    assert problems(with_rules(10, 10_000)) == []
    (found,) = problems(with_rules(30, 10_000))
    assert "at most about 250000 flows of all ACLs were expected, up to r12 there are 260130" in found.message


@pytest.mark.parametrize("action", ["drop", "allow-related"])
@pytest.mark.parametrize("match", ["tcp", "any", "dst=@webs,src=$friends", "udp,dst=@webs"])
def test_what_is_counted_is_not_less_than_what_is_made(match: str, action: str, monkeypatch: Any) -> None:
    one = with_rules(3, 50)
    acls = tuple(replace(acl, match=parse_match(match), action=action) for acl in one.acls)
    one = replace(one, acls=acls)
    made = sum(flow.owner.startswith("acl ") for flow in flows(one).values())
    monkeypatch.setattr(rules_acl, "FLOWS_MAX", made - 1)
    assert problems(one)


def test_one_more_address_is_one_more_flow() -> None:
    few = tuple(f"192.0.2.{n}" for n in range(10))
    before, after = (
        flows(replace(network(), address_sets=(AddressSet("friends", addresses),)))
        for addresses in (few, (*few, "192.0.2.99"))
    )
    assert len(after.keys() - before.keys()) == 1 and not before.keys() - after.keys()
    assert all(after[key] == flow for key, flow in before.items())


def test_an_empty_set_matches_nothing() -> None:
    empty = replace(network(), address_sets=(AddressSet("friends"),))
    assert not [flow for flow in flows(empty).values() if flow.owner == "acl red/in"]


def test_a_network_without_policies_has_no_table_more() -> None:
    bare = replace(
        network(),
        acls=(),
        default_deny=(),
        ports=tuple(replace(p, port_security=False) for p in network().ports),
    )
    assert {flow.table for flow in flows(bare).values()} <= {10, 11, 12, 13, 40}


def test_two_rules_that_share_a_condition_share_its_flow() -> None:
    more = TEXT[TEXT.index("      - {name: in") : TEXT.index("      - {name: out")].replace(
        "name: in", "name: too"
    )
    many = (AddressSet("friends", tuple(f"192.0.2.{n}" for n in range(10))),)
    found = flows(replace(network(TEXT + more), address_sets=many)).values()
    shared = [flow for flow in found if len(_clauses(flow)) == 2]
    assert len(shared) == 10 + 2


def _clauses(flow: Flow) -> list[Clause]:
    return [action for action in flow.actions if isinstance(action, Clause)]


def test_link_local_addresses_follow_from_mac_addresses() -> None:
    # The example of RFC 4291 appendix A.
    assert link_local("34:56:78:9a:bc:de") == "fe80::3656:78ff:fe9a:bcde"
    assert {link_local(f"02:00:00:00:{a:02x}:{b:02x}") for a, b in product(range(2), range(2))} == {
        "fe80::ff:fe00:0",
        "fe80::ff:fe00:1",
        "fe80::ff:fe00:100",
        "fe80::ff:fe00:101",
    }
