"""Tags, child ports, localnet ports and snooping in files: what is written comes back, what is wrong is named."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.logical import cloned, document_of, network_of, parse_file, problems
from tulle.logical.file import emit_file
from tulle.logical.rules_changed import is_sound_change
from tulle.values import Multicast, Network

GOOD = """\
networks:
  - name: red
    switches:
      - {name: lan, subnets: [10.0.1.0/24]}
      - {name: pods, subnets: [10.0.2.0/24], multicast: true}
      - {name: floor, subnets: [10.0.3.0/24], multicast: {querier: false, flood_unregistered: true, idle_s: 60}}
      - {name: trunk, vlan: transparent}
    routers: []
    ports:
      - {name: vm, switch: lan, node: node1, namespace: vm}
      - {name: pod, switch: pods, parent: vm, tag: 10}
      - {name: free, switch: trunk, addresses: []}
      - {name: wall, switch: floor, localnet: campus, tag: 100}
"""


def network() -> Network:
    return parse_file(GOOD, "good.yaml").networks[0]


def test_a_file_gives_what_it_writes() -> None:
    made = network()
    ports = {one.name: one for one in made.ports}
    switches = {one.name: one for one in made.switches}
    assert (ports["pod"].parent, ports["pod"].tag, ports["pod"].addresses) == ("vm", 10, ("10.0.2.1",))
    assert (ports["wall"].localnet, ports["wall"].tag, ports["wall"].addresses) == ("campus", 100, ())
    assert switches["pods"].multicast == Multicast()
    assert switches["floor"].multicast == Multicast(flood_unregistered=True, querier=False, idle_s=60)
    assert switches["trunk"].vlan == "transparent" and switches["lan"].vlan == "refuse"


def test_files_documents_and_networks_give_one_another() -> None:
    document = parse_file(GOOD, "good.yaml")
    assert parse_file(emit_file(document), "again.yaml") == document
    assert network_of(document_of(network())) == network()
    shown = document_of(network())["switches"]
    assert {"name": "pods", "subnets": ["10.0.2.0/24"], "multicast": {}} in shown


def test_a_clone_is_apart_from_the_physical_network() -> None:
    made = cloned(network(), "copy", {})
    assert [one.name for one in made.ports] == ["free", "pod", "vm"] and not problems(made)


def test_a_clone_leaves_behind_what_speaks_of_the_physical_network() -> None:
    text = """\
    port_groups:
      - {name: all, ports: [pod, wall]}
    acls:
      - {name: at-wall, direction: from-port, port: wall, priority: 1, match: tcp, action: drop}
      - {name: at-pod, direction: from-port, port: pod, priority: 1, match: tcp, action: drop}
    mirrors:
      - {name: of-wall, direction: both, port: wall, to: free}
      - {name: of-pod, direction: both, port: pod, to: free}
"""
    made = cloned(parse_file(GOOD + text, "good.yaml").networks[0], "copy", {})
    assert [one.ports for one in made.port_groups] == [("pod",)]
    assert [one.name for one in (*made.acls, *made.mirrors)] == ["at-pod", "of-pod"]
    assert not problems(made)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("parent: vm, tag: 10", "parent: nobody, tag: 10", 11, "unknown parent 'nobody'"),
        ("parent: vm, tag: 10", "parent: vm", 11, "its tag at parent vm is missing"),
        ("parent: vm, tag: 10", "parent: vm, tag: 4095", 11, "a number from 1 to 4094"),
        ("parent: vm, tag: 10", "tag: 10", 11, "a tag is for a port with a parent or a localnet"),
        ("parent: vm, tag: 10", "parent: pod, tag: 10", 11, "parent pod is a child itself"),
        ("parent: vm, tag: 10", "parent: wall, tag: 10", 11, "parent wall is a localnet port"),
        ("parent: vm, tag: 10", "parent: free, tag: 10", 11, "switch trunk of parent free carries all tags"),
        ("parent: vm, tag: 10", "parent: vm, tag: 10, node: node1", 11, "has no node"),
        ("parent: vm, tag: 10", "parent: vm, tag: 10, namespace: x", 11, "has no namespace"),
        ("parent: vm, tag: 10", "parent: vm, tag: 10, localnet: campus", 11, "both came"),
        (
            "switch: trunk, addresses: []",
            "switch: pods, parent: vm, tag: 10",
            12,
            "tag 10 at parent vm is used",
        ),
        ("switch: trunk, addresses: []", "switch: lan, localnet: campus, tag: 100", 13, "is used twice"),
        (
            "switch: trunk, addresses: []",
            "switch: floor, localnet: other",
            13,
            "the localnet port of switch floor",
        ),
        ("localnet: campus, tag: 100", "localnet: Campus", 13, "the name of a physical network"),
        ("localnet: campus, tag: 100", "localnet: campus, addresses: [10.0.3.9]", 13, "it has no addresses"),
        (
            "localnet: campus, tag: 100",
            "localnet: campus, port_security: true",
            13,
            "it has no port_security",
        ),
        ("localnet: campus, tag: 100", "localnet: campus, node: node1", 13, "and has no node"),
        ("switch: floor, localnet", "switch: trunk, localnet", 13, "carries all tags itself"),
        ("floor, localnet: campus, tag: 100", "trunk, localnet: campus", 13, "carries all tags itself"),
        (
            "routers: []",
            "routers: [{name: r, ports: [{switch: floor, addresses: [10.0.3.1/24]}]}]",
            13,
            "switch floor meets router r",
        ),
        ("vlan: transparent", "vlan: sometimes", 7, "refuse or transparent was expected"),
        ("multicast: true", "multicast: {query_s: 125, idle_s: 100}", 5, "memberships would end after 100 s"),
        ("multicast: true", "multicast: {queries: true}", 5, "unknown key 'queries'"),
        (
            "routers: []",
            "appliances: [{name: fw, in: vm, out: free}]",
            8,
            "appliance fw: port vm is the parent of child ports",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidInput) as error:
        parse_file(GOOD.replace(old, new, 1), "bad.yaml")
    assert message in str(error.value)
    assert f":{line}" in str(error.value), error.value


def test_a_change_of_children_is_looked_at_as_a_whole() -> None:
    whole = network()
    without_parent = replace(whole, ports=tuple(one for one in whole.ports if one.name != "vm"))
    assert not is_sound_change(whole, without_parent) and problems(without_parent)
    twin = replace(
        next(one for one in whole.ports if one.name == "pod"), name="twin", mac="02:00:00:00:00:01"
    )
    assert not is_sound_change(whole, replace(whole, ports=(*whole.ports, replace(twin, addresses=()))))
