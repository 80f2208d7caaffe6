"""The litmus test: an encapsulation made up here carries networks, and no other part notices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_lab import MemoryLab, native_wires
from memory_node import Delivered, Hop
from minutes import ROOT
from toy_encapsulation import MAGIC, ToyWire

from tulle import encap
from tulle._native import emit_frame
from tulle.control import network_mtu
from tulle.controller.frame import frame_match
from tulle.logical import parse_file, parse_match
from tulle.values import Binding, Encapsulation, LabFile

HEADER_BYTES = 4 + 8 + 1
EXAMPLE = ROOT / "examples" / "two-tenants.yaml"


@pytest.fixture(params=[32, 64], ids=["32-bit context", "64-bit context"])
def toy(request: pytest.FixtureRequest) -> Iterator[Encapsulation]:
    made = Encapsulation("toy", request.param, HEADER_BYTES + request.param // 8 + 14)
    encap.register(made)
    yield made
    encap.unregister(made.name)


def document(*speaks: str) -> LabFile:
    """The example with other wishes: one text of encapsulations for each node."""
    text = EXAMPLE.read_text()
    lines = [f"  - {{name: node{at}, encapsulations: [{wish}]}}" for at, wish in enumerate(speaks, 1)]
    text = re.sub(r"(?m)^nodes:\n(  - .*\n)+", "nodes:\n" + "\n".join(lines) + "\n", text)
    return parse_file(text, EXAMPLE.name, encapsulations=encap.encapsulations())


def lab_with(toy: Encapsulation, *speaks: str) -> tuple[MemoryLab, list[bytes]]:
    """A lab, and all that its toy tunnels will carry."""
    seen: list[bytes] = []
    wires = native_wires() | {"toy": lambda one, other: ToyWire(one, other, toy.context_bits // 8, seen)}
    return MemoryLab(document(*speaks), wires), seen


def send(lab: MemoryLab, port: str, match: str) -> list[Hop]:
    network, _, name = port.partition("/")
    return lab.send(port, emit_frame(frame_match(lab.networks[network], name, parse_match(match))))


def receivers(hops: list[Hop]) -> list[str]:
    return [end.port for hop in hops for end in hop.ends if isinstance(end, Delivered)]


def test_it_is_chosen_where_both_nodes_like_it_best(toy: Encapsulation) -> None:
    lab, _ = lab_with(toy, "toy, stt, vxlan", "toy, stt, vxlan", "vxlan")
    assert lab.used == {
        frozenset(("node1", "node2")): toy.name,
        frozenset(("node1", "node3")): "vxlan",
        frozenset(("node2", "node3")): "vxlan",
    }


def test_it_is_not_chosen_where_one_node_does_not_speak_it(toy: Encapsulation) -> None:
    lab, _ = lab_with(toy, "toy, stt", "stt", "toy, vxlan, stt")
    assert lab.encapsulation("node1", "node2") == "stt"
    assert lab.encapsulation("node1", "node3") == toy.name


@pytest.mark.parametrize(
    ("source", "match", "target"),
    [
        ("web1", "tcp,dst=10.0.1.12,dport=80", "web2"),
        ("web2", "icmp6,dst=fd00:1::11", "web1"),
        ("web1", "udp,dst=10.0.2.12,dport=53", "db2"),
        ("db2", "tcp,dst=fd00:1::11,dport=443", "web1"),
    ],
)
@pytest.mark.parametrize("tenant", ["red", "blue"])
def test_it_carries_what_is_switched_and_routed(
    toy: Encapsulation, tenant: str, source: str, match: str, target: str
) -> None:
    lab, seen = lab_with(toy, "toy", "toy", "toy")
    hops = send(lab, f"{tenant}/{source}", match)
    assert receivers(hops) == [f"{tenant}/{target}"], hops
    assert [outer[:4] for outer in seen] == [MAGIC], seen
    # A context with room for the ports spares the far node the lookup.
    looked_up = [table for table, _ in hops[-1].steps if table == 12]
    assert looked_up == ([] if toy.context_bits == 64 else [12]), hops[-1]


def test_a_broadcast_leaves_it_once_for_each_port(toy: Encapsulation) -> None:
    lab, _ = lab_with(toy, "toy, vxlan", "toy, vxlan", "vxlan")
    frame = emit_frame("udp,dl_src=02:00:00:00:01:11,dl_dst=ff:ff:ff:ff:ff:ff,nw_dst=255.255.255.255")
    assert sorted(receivers(lab.send("red/web1", frame))) == ["red/web2", "red/web3"]


def test_an_acl_drops_behind_it(toy: Encapsulation) -> None:
    lab, _ = lab_with(toy, "toy", "toy", "toy")
    hops = send(lab, "red/web1", "tcp,dst=10.0.2.12,dport=22")
    assert receivers(hops) == []
    assert hops[-1].steps[-1][1] == "acl red/no-ssh-to-db", hops[-1]


def test_its_overhead_counts_for_the_mtu(toy: Encapsulation) -> None:
    lab, _ = lab_with(toy, "toy", "toy", "toy")
    bindings = [Binding("red", "web1", "node1"), Binding("red", "web2", "node2")]
    assert network_mtu("red", bindings, lab.tunnels, lab.known) == 1500 - toy.overhead_bytes


@pytest.mark.parametrize("part", ["logical", "control", "values"])
def test_no_part_but_encap_knows_an_encapsulation_by_name(part: str) -> None:
    names = re.compile(r"\b(stt|vxlan|geneve|gre|nvgre|toy)\b", re.IGNORECASE)
    files = sorted((ROOT / "python" / "tulle" / part).glob("**/*.py"))
    assert files
    found = [f"{name}: {line}" for name, line in _lines(files) if names.search(line)]
    assert found == []


def _lines(files: list[Path]) -> Iterator[tuple[str, str]]:
    for file in files:
        for line in file.read_text().splitlines():
            yield str(file.relative_to(ROOT)), line
