"""The file of networks: what it says, and what is refused with line and expectation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tulle.errors import InvalidInput
from tulle.logical import emit_file, parse_file
from tulle.values import Acl, LogicalPort, Match

EXAMPLE = (Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml").read_text()

SMALL = """\
networks:
  - name: red
    switches:
      - {name: web, subnets: [10.0.1.0/24, "fd00:1::/64"]}
      - {name: db, subnets: [10.0.2.0/24]}
    routers:
      - name: core
        ports:
          - {switch: web, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/24]}
          - {switch: db, mac: 02:00:00:00:02:01, addresses: [10.0.2.1/24]}
        routes:
          - {prefix: 10.9.0.0/16, next_hop: 10.0.1.11}
    ports:
      - {name: web1, switch: web, mac: 02:00:00:00:01:11, addresses: [10.0.1.11], node: node1}
      - {name: web2, switch: web, mac: 02:00:00:00:01:12, addresses: [10.0.1.12], node: node2}
    acls:
      - {name: ssh, direction: to-port, switch: db, priority: 100, match: "tcp,dport=22", action: drop}
      - {name: web, direction: from-port, port: web1, priority: 100, match: udp, action: allow}
"""


def refusal(text: str, nodes: tuple[str, ...] = ("node1", "node2")) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_file(text, "net.yaml", nodes)
    return str(caught.value)


def test_the_example_says_what_its_comments_say() -> None:
    document = parse_file(EXAMPLE, "two-tenants.yaml")
    assert [network.name for network in document.networks] == ["blue", "red"]
    assert [node.address for node in document.nodes] == ["172.31.0.1", "172.31.0.2", "172.31.0.3"]
    red = document.networks[1]
    assert red.ports[0] == LogicalPort(
        "db1", "db", "02:00:00:00:02:11", ("10.0.2.11", "fd00:2::11"), "node1", "red-db1", "tap"
    )
    assert red.acls == (Acl("no-ssh-to-db", "to-port", 100, Match("tcp", dport=22), "drop", switch="db"),)


def test_emitting_and_parsing_gives_the_same_document() -> None:
    for text in (EXAMPLE, SMALL):
        document = parse_file(text, "x")
        assert parse_file(emit_file(document), "y") == document


def test_a_mac_address_without_quotes_is_no_number_in_base_sixty() -> None:
    (network,) = parse_file(SMALL, "net.yaml").networks
    assert network.ports[0].mac == "02:00:00:00:01:11"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "subnets: [10.0.2.0/24]",
            "subnet: [10.0.2.0/24]",
            5,
            "unknown key 'subnet'; did you mean 'subnets'?",
        ),
        ("name: core", "name: [core]", 7, "name: a text was expected, a list came"),
        (
            "priority: 100, match: udp",
            "priority: high, match: udp",
            18,
            "a number from 1 to 60000 was expected, 'high' came",
        ),
        (
            "priority: 100, match: udp",
            "priority: 0, match: udp",
            18,
            "a number from 1 to 60000 was expected, '0' came",
        ),
        ("name: web2", "name: web1", 15, "the port name web1 is used twice"),
        ("name: db,", "name: web,", 5, "the switch or router name web is used twice"),
        ("name: core", "name: web", 7, "the switch or router name web is used twice"),
        ("name: web, direction", "name: ssh, direction", 18, "the acl name ssh is used twice"),
        (
            "name: web2",
            "name: Web_2",
            15,
            "a name of 1 to 63 of a-z, 0-9 and dash was expected, 'Web_2' came",
        ),
        (
            "02:00:00:00:01:12",
            "02:00:00:00:01:11",
            15,
            "on one switch the MAC address 02:00:00:00:01:11 is used twice",
        ),
        ("02:00:00:00:01:12", "02:00:00:00:01:01", 15, "the MAC address 02:00:00:00:01:01 is used twice"),
        ("02:00:00:00:01:12", "03:00:00:00:01:12", 15, "a unicast MAC address"),
        ("02:00:00:00:01:12", "02-00", 15, "'02-00' came"),
        ("[10.0.1.12]", "[10.0.1.11]", 15, "the address 10.0.1.11 is used twice"),
        ("[10.0.1.12]", "[10.0.1.1]", 15, "the address 10.0.1.1 is used twice"),
        (
            "[10.0.1.12]",
            "[10.0.2.12]",
            15,
            "address 10.0.2.12 is outside the subnets of switch web (10.0.1.0/24, fd00:1::/64)",
        ),
        ("[10.0.1.12]", "[10.0.1.0]", 15, "stands for all of subnet 10.0.1.0/24"),
        ("[10.0.1.12]", "[10.0.1.255]", 15, "stands for all of subnet"),
        ("[10.0.1.12]", "[10.0.1.300]", 15, "an address such as 10.0.1.11 was expected, '10.0.1.300' came"),
        ("[10.0.1.12]", "[127.0.0.1]", 15, "no workload can have it"),
        ("[10.0.1.1/24]", "[10.0.1.1]", 9, "an address with its prefix such as 10.0.1.1/24 was expected"),
        ("[10.0.1.1/24]", "[10.0.1.1/25]", 9, "10.0.1.1/24 was expected, 10.0.1.1/25 came"),
        ("{switch: db,", "{switch: dbx,", 10, "unknown switch 'dbx'; did you mean 'db'?"),
        ("[10.0.2.0/24]", "[10.0.1.128/25]", 5, "subnet 10.0.1.128/25 overlaps with 10.0.1.0/24"),
        ("[10.0.2.0/24]", "[10.0.2.1/24]", 5, "a subnet such as 10.0.1.0/24 was expected"),
        (
            "dport=22",
            "dport=99999",
            17,
            "match, position 11: a number from 0 to 65535 was expected, '99999' came",
        ),
        ("match: udp", "match: udpp", 18, "match, position 1: unknown protocol 'udpp'; did you mean 'udp'?"),
        ("port: web1", "port: web9", 18, "unknown port 'web9'"),
        ("port: web1, ", "", 18, "an ACL needs either a switch or a port"),
        ("port: web1, ", "port: web1, switch: web, ", 18, "an ACL needs either a switch or a port"),
        (
            "direction: to-port",
            "direction: out",
            17,
            "direction: from-port or to-port was expected, 'out' came",
        ),
        (
            "action: drop",
            "action: forbid",
            17,
            "action: allow or allow-related or drop or reject or pass was expected, 'forbid' came",
        ),
        ("node: node2", "node: node7", 15, "unknown node 'node7'; did you mean"),
        ("next_hop: 10.0.1.11", "next_hop: 10.7.0.1", 12, "10.7.0.1 is on no subnet of router core"),
        ("next_hop: 10.0.1.11", "next_hop: 10.0.1.1", 12, "10.0.1.1 is router core itself"),
        ("prefix: 10.9.0.0/16", "prefix: 10.0.2.0/24", 12, "router core is connected to 10.0.2.0/24"),
        ("addresses: [10.0.1.1/24]", "addresses: [10.0.1.1/604]", 9, "10.0.1.1/604"),
        ("prefix: 10.9.0.0/16", "prefix: 10.9.0.1/16", 12, "a prefix such as 10.9.0.0/16 was expected"),
        ("networks:\n", "networks:\nnetworks:\n", 2, "key 'networks' is here twice, first in line 1"),
        ("name: red", "name: &a red", 2, "anchors and aliases are not accepted"),
        ("name: red", "name: *a", 2, "anchors and aliases are not accepted"),
        ("name: red", "name: !!python/object:os.system red", 2, "tags are not accepted"),
        ("name: red", "name: [", 4, "not YAML"),
        ("node: node1}", "node: node1, interface: a/b}", 14, "an interface name was expected, 'a/b' came"),
        ("node: node1}", "node: node1, namespace: ../x}", 14, "the name of a network namespace was expected"),
        ("{switch: db, mac", "{name: web1, switch: db, mac", 14, "the port name web1 is used twice"),
    ],
)
def test_a_mistake_is_refused_with_its_line(old: str, new: str, line: int, said: str) -> None:
    assert old in SMALL
    message = refusal(SMALL.replace(old, new, 1))
    assert f"net.yaml:{line}: " in message, message
    assert said in message, message


def test_two_acls_that_contradict_each_other_are_refused() -> None:
    more = (
        SMALL
        + '      - {name: ssh2, direction: to-port, switch: db, priority: 100, match: "ip4", action: allow}\n'
    )
    assert "net.yaml:19: network red: ACLs ssh and ssh2 of priority 100 contradict each other" in refusal(
        more
    )
    apart = more.replace('match: "ip4"', 'match: "tcp,dport=23"')
    assert len(parse_file(apart, "net.yaml").networks[0].acls) == 3


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    text = (
        SMALL.replace("name: db,", "nam: db,")
        .replace("action: drop", "action: no")
        .replace("dport=22", "dport=x")
    )
    lines = refusal(text).split("\n")
    assert [line.split(": ")[0] for line in lines] == [
        "net.yaml:5",
        "net.yaml:5",
        "net.yaml:17",
        "net.yaml:17",
    ], lines


def test_no_more_than_twenty_mistakes_are_told() -> None:
    text = "networks:\n" + "".join(f"  - {{name: bad{number}!}}\n" for number in range(50))
    lines = refusal(text).split("\n")
    assert len(lines) == 21, lines
    assert lines[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty document came"),
        ("[]", "a mapping with underlay, nodes, networks was expected, a list came"),
        ("just words", "'just words' came"),
        ("networks: 7", "networks: a list was expected, '7' came"),
        ("a: 1\n---\nb: 2\n", "one document was expected"),
        ("networks: " + "[" * 5000, "nested deeper than 20"),
        ("a: &a [x]\nb: &b [*a, *a]\n", "anchors and aliases are not accepted"),
        ("? [a, b]\n: c\n", "a plain key was expected"),
        ("a: \ud800", "not YAML"),
        ("a: \x00", "not YAML"),
    ],
)
def test_what_is_no_file_of_networks_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    assert "characters were expected" in refusal("#" * (16 * 1024 * 1024 + 1))


def test_two_networks_of_one_name_are_refused() -> None:
    body = SMALL.removeprefix("networks:\n")
    assert "the network name red is used twice" in refusal(SMALL + body)


def test_two_networks_cannot_use_one_interface_in_one_namespace() -> None:
    text = SMALL.replace("node: node1}", "node: node1, namespace: here}")
    twice = text + text.removeprefix("networks:\n").replace("name: red", "name: blue")
    assert "another network has tap in namespace here" in refusal(twice)


def test_nodes_of_the_file_are_the_known_ones() -> None:
    nodes = "nodes:\n  - {name: node1, address: 192.0.2.1, encapsulations: [stt]}\n"
    assert "unknown node 'node2'" in refusal(nodes + SMALL)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (
            "- {name: a, encapsulations: [stt]}",
            "address is missing, and there is no underlay to take one from",
        ),
        ("- {name: a, address: 192.0.2.1}", "encapsulations are missing, best first"),
        (
            "- {name: a, address: here, encapsulations: [stt]}",
            "an underlay address was expected, 'here' came",
        ),
        ("- {name: a, address: 192.0.2.1, encapsulations: [vxlna]}", "did you mean 'vxlan'?"),
        ("- {name: a, address: 192.0.2.1, encapsulations: [stt, stt]}", "an encapsulation is here twice"),
        (
            "- {name: a, address: 192.0.2.1, encapsulations: [nvgre, stt, gre]}",
            "one of gre and nvgre was expected, both came",
        ),
        (
            "- {name: a, address: 192.0.2.1, encapsulations: [stt], external: maybe}",
            "true or false was expected",
        ),
        (
            "- {name: a, address: 192.0.2.1, encapsulations: [stt]}\n"
            "- {name: b, address: 192.0.2.1, encapsulations: [stt]}",
            "b (192.0.2.1) is here twice",
        ),
    ],
)
def test_a_bad_node_is_refused(nodes: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        known = ("stt", "vxlan", "gre", "nvgre")
        parse_file(f"nodes:\n{nodes}\n", "lab.yaml", None, known, frozenset({"gre", "nvgre"}))
    assert said in str(caught.value)


def test_what_is_left_out_is_filled_in_the_same_way_every_time() -> None:
    text = """
networks:
  - name: red
    switches: [{name: web, subnets: [10.0.1.0/29, "fd00::/64"]}]
    routers: [{name: core, ports: [{switch: web, addresses: [10.0.1.1/29, "fd00::1/64"]}]}]
    ports:
      - {name: a, switch: web}
      - {name: b, switch: web, addresses: [10.0.1.3]}
      - {name: c, switch: web}
      - {name: d, switch: web, addresses: []}
"""
    (network,) = parse_file(text, "x").networks
    found = {port.name: port.addresses for port in network.ports}
    assert found == {
        "a": ("10.0.1.2", "fd00::2"),
        "b": ("10.0.1.3",),
        "c": ("10.0.1.4", "fd00::3"),
        "d": (),
    }
    macs = [port.mac for port in network.ports]
    assert len(set(macs)) == 4
    assert all(mac.startswith("02:") for mac in macs)
    assert network == parse_file(text, "x").networks[0]
    assert network.routers[0].ports[0].name == "core-web"
