"""Names of a network: what is known, what is not there, and what belongs to others."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.reversename
import pytest

from tulle.agent.services import names
from tulle.values import DnsZone

MANY = tuple(f"fd00:2::{number:x}" for number in range(1, 200))
ZONE = DnsZone(
    "shop.internal",
    {"web1": ("10.0.1.11", "fd00:1::11"), "bare": (), "many": MANY},
    ("10.0.1.0/24", "fd00:1::/64"),
)


def ask(name: str, kind: str, **how: object) -> dns.message.Message:
    said = names.answer(dns.message.make_query(name, kind, **how).to_wire(), ZONE)  # type: ignore[arg-type]
    assert said is not None
    return dns.message.from_wire(said)


def records(said: dns.message.Message) -> list[str]:
    return [str(one) for record in said.answer for one in record]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web1.shop.internal", "A", ["10.0.1.11"]),
        ("WEB1.Shop.Internal", "AAAA", ["fd00:1::11"]),
        ("web1.shop.internal", "ANY", ["10.0.1.11", "fd00:1::11"]),
        ("11.1.0.10.in-addr.arpa", "PTR", ["web1.shop.internal."]),
    ],
)
def test_what_is_known_is_told(name: str, kind: str, expected: list[str]) -> None:
    said = ask(name, kind)
    assert (said.rcode(), records(said)) == (dns.rcode.NOERROR, expected)
    assert said.flags & dns.flags.AA and not said.flags & dns.flags.RA


def test_an_ipv6_address_has_its_name() -> None:
    said = ask(str(dns.reversename.from_address("fd00:1::11")), "PTR")
    assert records(said) == ["web1.shop.internal."]


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("web9.shop.internal", "A", dns.rcode.NXDOMAIN),
        ("deep.web1.shop.internal", "A", dns.rcode.NXDOMAIN),
        ("web1.shop.internal", "MX", dns.rcode.NOERROR),
        ("bare.shop.internal", "A", dns.rcode.NOERROR),
        ("shop.internal", "A", dns.rcode.NOERROR),
        ("99.1.0.10.in-addr.arpa", "PTR", dns.rcode.NXDOMAIN),
        ("99.9.0.10.in-addr.arpa", "PTR", dns.rcode.REFUSED),
        ("example.com", "A", dns.rcode.REFUSED),
        ("internal", "A", dns.rcode.REFUSED),
        (".", "NS", dns.rcode.REFUSED),
    ],
)
def test_what_is_not_known_is_said_to_be_so(name: str, kind: str, code: dns.rcode.Rcode) -> None:
    said = ask(name, kind)
    assert (said.rcode(), records(said)) == (code, [])


def test_how_long_a_name_is_not_there_is_told() -> None:
    [record] = ask("web9.shop.internal", "A").authority
    assert (str(record.name), record.ttl) == ("shop.internal.", names.TTL_S)


@pytest.mark.parametrize(("how", "room"), [({}, 512), ({"use_edns": 0, "payload": 4096}, 1232)])
def test_an_answer_that_is_too_long_says_so(how: dict[str, int], room: int) -> None:
    query = dns.message.make_query("many.shop.internal", "AAAA", **how)  # type: ignore[arg-type]
    said = names.answer(query.to_wire(), ZONE)
    assert said is not None and len(said) <= room
    assert dns.message.from_wire(said).flags & dns.flags.TC


@pytest.mark.parametrize("change", ["response", "two questions", "cut", "no question"])
def test_what_is_no_question_is_not_answered(change: str) -> None:
    query = dns.message.make_query("web1.shop.internal", "A").to_wire()
    made = {
        "response": query[:2] + bytes([query[2] | 0x80]) + query[3:],
        "two questions": query[:4] + b"\x00\x02" + query[6:],
        "cut": query[:-1],
        "no question": query[:4] + b"\x00\x00" + query[6:12],
    }[change]
    assert names.answer(made, ZONE) is None


def test_an_update_is_not_made() -> None:
    query = dns.message.make_query("web1.shop.internal", "A")
    query.set_opcode(dns.opcode.NOTIFY)
    said = names.answer(query.to_wire(), ZONE)
    assert said is not None and dns.message.from_wire(said).rcode() == dns.rcode.NOTIMP
