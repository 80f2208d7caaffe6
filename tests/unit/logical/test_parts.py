"""Documents in parts: the same document comes back, and what is shared is there once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.logical import document_of
from tulle.logical.parts import Part, cut, joined
from tulle.values import LogicalPort, LogicalSwitch, Network

SWITCH = LogicalSwitch("web", ("10.0.0.0/16",))


def large(ports: int) -> Network:
    made = (
        LogicalPort(
            f"p{n}", "web", f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", (f"10.0.{n >> 8}.{n & 255}",), "node1"
        )
        for n in range(1, ports + 1)
    )
    return Network("red", (SWITCH,), (), tuple(made))


def weight(parts: dict[str, Part]) -> int:
    return sum(len(part.content) + 32 * len(part.parts) for part in parts.values())


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.sets(st.text("ab0-", min_size=1, max_size=6), max_size=40))
def test_a_document_comes_back_as_it_was(names: set[str]) -> None:
    ports = tuple(LogicalPort(name, "web", "02:00:00:00:00:01") for name in sorted(names))
    document = document_of(Network("red", (SWITCH,), (), ports))
    root, parts = cut(document)
    assert joined(root, parts.get) == document
    assert all(name == part.name for name, part in parts.items())


def test_the_parts_do_not_depend_on_the_order_of_members() -> None:
    network = large(100)
    shuffled = {**document_of(network), "ports": document_of(network)["ports"][::-1]}
    assert cut(shuffled) == cut(document_of(network))


def test_a_version_of_a_thousand_ports_costs_what_changed() -> None:
    ports = list(large(1000).ports)
    kept = dict(cut(document_of(large(1000)))[1])
    whole = weight(kept)
    for version in range(20):
        at = version * 7
        ports[at] = replace(ports[at], node="node2")
        parts = cut(document_of(Network("red", (SWITCH,), (), tuple(ports))))[1]
        new = {name: part for name, part in parts.items() if name not in kept}
        assert weight(new) < whole / 30, (version, weight(new), whole)
        kept |= parts


def test_a_switch_that_goes_with_all_its_ports_touches_few_parts() -> None:
    switches = tuple(LogicalSwitch(f"s{n}", (f"10.{n}.0.0/16",)) for n in range(20))
    ports = tuple(
        LogicalPort(f"p{at}-{n}", f"s{at}", f"02:00:00:00:{at:02x}:{n:02x}", (f"10.{at}.0.{n}",))
        for at in range(20)
        for n in range(1, 101)
    )
    kept = cut(document_of(Network("red", switches, (), ports)))[1]
    parts = cut(document_of(Network("red", switches[1:], (), ports[100:])))[1]
    assert len(parts.keys() - kept.keys()) <= 5


def test_a_missing_or_damaged_part_is_noticed() -> None:
    root, parts = cut(document_of(large(30)))
    leaf = next(name for name, part in parts.items() if "p17" in part.content)
    with pytest.raises(InvalidInput, match="missing"):
        joined(root, {name: part for name, part in parts.items() if name != leaf}.get)
    forged = Part(parts[leaf].content.replace("node1", "node9"))
    with pytest.raises(InvalidInput, match="damaged"):
        joined(root, {**parts, leaf: forged}.get)
