"""Appliances, chains and mirrors in files: what is written comes back, what is wrong is named with its line."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.logical import Edit, document_of, edited, network_of, parse_file, parse_match
from tulle.logical.chains import expanded, mirrored
from tulle.logical.file import emit_file
from tulle.logical.references import References
from tulle.logical.snapshot import ordered
from tulle.values import Appliance, Chain, Match, Mirror, Network

GOOD = """\
networks:
  - name: red
    switches:
      - {name: lan, subnets: [10.0.1.0/24]}
      - {name: services}
    ports:
      - {name: a, switch: lan, addresses: [10.0.1.11]}
      - {name: b, switch: lan, addresses: [10.0.1.12]}
      - {name: watcher, switch: lan, addresses: [10.0.1.13]}
      - {name: fw-in, switch: services, addresses: []}
      - {name: fw-out, switch: services, addresses: []}
      - {name: ids, switch: services, addresses: []}
    address_sets:
      - {name: offices, addresses: [10.0.1.0/28, 10.0.9.0/24]}
    appliances:
      - {name: firewall, in: fw-in, out: fw-out}
      - {name: listener, in: ids}
    chains:
      - {name: guard, port: a, direction: to-port, match: "tcp,src=$offices,dport=80", fail: open,
         appliances: [firewall, listener]}
    mirrors:
      - {name: near, port: a, direction: both, to: watcher}
      - {name: far, switch: lan, direction: from-port, remote: 192.0.2.9, encapsulation: geneve, key: 7}
"""


def network() -> Network:
    return parse_file(GOOD, "good.yaml").networks[0]


def test_a_file_gives_the_services_that_it_writes() -> None:
    made = network()
    assert made.appliances == (Appliance("firewall", "fw-in", "fw-out"), Appliance("listener", "ids"))
    match = parse_match("tcp,src=$offices,dport=80")
    assert made.chains == (Chain("guard", "to-port", match, "open", ("firewall", "listener"), port="a"),)
    assert made.mirrors[0] == Mirror("far", "from-port", "lan", None, None, "192.0.2.9", "geneve", 7)
    assert made.mirrors[1] == Mirror("near", "both", port="a", to="watcher")


def test_a_written_file_and_a_document_give_the_same_network_back() -> None:
    document = parse_file(GOOD, "good.yaml")
    assert parse_file(emit_file(document), "again.yaml") == document
    assert network_of(document_of(network())) == network()


def test_a_network_without_services_has_no_word_of_them_in_its_document() -> None:
    plain = Network("red")
    assert {"appliances", "chains", "mirrors"}.isdisjoint(document_of(plain))


WRONG = {
    "unknown appliance": ("[firewall, listener]", "[firewal]", "unknown appliance 'firewal'"),
    "unknown port of an appliance": ("out: fw-out", "out: fw-ot", "unknown port 'fw-ot'"),
    "unknown place": ("name: guard, port: a", "name: guard, port: z", "unknown port 'z'"),
    "two places": ("name: guard, port: a", "name: guard, port: a, switch: lan", "either a switch or a port"),
    "no place": ("name: near, port: a", "name: near", "either a switch or a port"),
    "unknown set": ("$offices", "$ofices", "unknown address set 'ofices'"),
    "bad match": ("dport=80", "dport=eighty", "a number from 0 to 65535"),
    "bad fail": ("fail: open", "fail: maybe", "open or closed was expected"),
    "bad key": ("key: 7", "key: 16777216", "a number from 0 to 16777215"),
    "no encapsulation": ("encapsulation: geneve, ", "", "were expected together"),
    "bad collector": ("192.0.2.9", "192.0.2.999", "an address was expected"),
    "two targets": (
        "both, to: watcher",
        "both, to: watcher, remote: 192.0.2.1, encapsulation: gre",
        "either `to`",
    ),
    "no appliance": ("[firewall, listener]", "[]", "at least one appliance"),
    "appliance twice": ("[firewall, listener]", "[firewall, firewall]", "twice in one chain"),
    "one port twice": ("out: fw-out", "out: fw-in", "the port fw-in is used twice"),
    "shared switch": ("- {name: ids, switch: services", "- {name: ids, switch: lan", "a switch of their own"),
    "chain at an appliance": ("name: guard, port: a", "name: guard, port: fw-in", "a loop"),
    "chain at a switch of appliances": ("name: guard, port: a", "name: guard, switch: services", "a loop"),
    "mirror of a mirror's port": ("name: near, port: a", "name: near, port: watcher", "a loop"),
    "mirror into an appliance": ("to: watcher", "to: ids", "is of appliance listener"),
    "same name": ("name: far", "name: near", "the mirror name near is used twice"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_with_its_name_and_line(what: str) -> None:
    old, new, said = WRONG[what]
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    changed = next(at for at, line in enumerate(text.splitlines(), 1) if line not in GOOD.splitlines())
    with pytest.raises(InvalidInput) as refused:
        parse_file(text, "bad.yaml")
    assert said in str(refused.value)
    assert f"bad.yaml:{changed}" in str(refused.value) or what in ("shared switch", "same name")


def test_an_unknown_encapsulation_of_a_mirror_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidInput, match="unknown encapsulation 'geneve'") as refused:
        parse_file(GOOD, "bad.yaml", encapsulations=["gre"])
    line = next(at for at, text in enumerate(GOOD.splitlines(), 1) if "name: far" in text)
    assert f"bad.yaml:{line}" in str(refused.value)


SECOND = "      - {name: other, %s, direction: to-port, match: %s, fail: open, appliances: [listener]}\n"


def with_second(place: str, match: str) -> str:
    text = GOOD.replace("[firewall, listener]", "[firewall]")
    return text.replace("    mirrors:\n", SECOND % (place, match) + "    mirrors:\n")


def test_two_chains_that_want_the_same_packets_at_one_place_are_refused() -> None:
    with pytest.raises(InvalidInput, match="guard and other want the same packets"):
        parse_file(with_second("port: a", "tcp"), "bad.yaml")
    assert len(parse_file(with_second("port: a", "udp"), "good.yaml").networks[0].chains) == 2
    assert len(parse_file(with_second("port: b", "tcp"), "good.yaml").networks[0].chains) == 2


def test_an_appliance_in_two_chains_is_refused() -> None:
    text = with_second("port: b", "tcp").replace("[listener]", "[firewall]")
    with pytest.raises(InvalidInput, match="in two chains"):
        parse_file(text, "bad.yaml")


@pytest.mark.parametrize(
    ("match", "is_good"),
    [
        ("any", False),
        ("ip", False),
        ('"src=10.0.1.0/24"', False),
        ('"src=10.0.1.0/25,dst=10.0.1.128/25"', True),
        ('"src=10.0.1.0/25,dst=10.0.1.0/24"', False),
        ('"udp,dport=53"', True),
        ('"icmp,type=8"', True),
    ],
)
def test_at_a_switch_a_match_must_tell_packets_from_their_answers(match: str, is_good: bool) -> None:
    text = with_second("switch: lan", match)
    if is_good:
        assert parse_file(text, "good.yaml").networks[0].chains[1].switch == "lan"
    else:
        with pytest.raises(InvalidInput, match="would pass twice"):
            parse_file(text, "bad.yaml")


@pytest.mark.parametrize("text", ["tcp,src=10.0.0.1,dport=80", "icmp,type=8", "icmp6,type=129", "arp", "any"])
def test_the_answer_to_an_answer_is_as_the_question(text: str) -> None:
    match = parse_match(text)
    assert mirrored(mirrored(match)) == match


def test_what_answers_an_echo_request_is_its_reply() -> None:
    asked = parse_match("icmp,src=10.0.0.1,dst=10.0.0.2,type=8")
    assert mirrored(asked) == parse_match("icmp,src=10.0.0.2,dst=10.0.0.1,type=0")


def test_sets_are_written_out_and_families_do_not_mix() -> None:
    references = References(network())
    assert len(expanded(references, parse_match("tcp,src=$offices"))) == 2
    assert expanded(references, Match()) == [()]
    mixed = Match(src="$offices", dst="fd00::/64")
    assert expanded(references, mixed) == []


def test_an_edit_changes_one_of_them_and_leaves_the_rest() -> None:
    before = ordered(network())
    (chain,) = before.chains
    after = edited(before, [Edit("chain", chain.name, {"idle": not chain.idle})], ordered)
    assert after == replace(before, chains=(replace(chain, idle=not chain.idle),))
    for kind, members in (("appliance", before.appliances), ("mirror", before.mirrors)):
        assert edited(before, [Edit(kind, members[0].name, {})], ordered) == before
    gone = edited(before, [Edit("mirror", before.mirrors[0].name)], ordered)
    assert gone == replace(before, mirrors=before.mirrors[1:])
