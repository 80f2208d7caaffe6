"""Networks become canonical flows of this node, and only what changed is compiled again."""

from __future__ import annotations

import msgspec

from tulle._native import canonical_flow
from tulle.agent.compilation import Compilation, Compiled, Tunnels
from tulle.control import allocate
from tulle.encap import encapsulations
from tulle.values import (
    Binding,
    Ids,
    LocalPort,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Network,
    RouterPort,
    TunnelInterface,
    TunnelPort,
)

TUNNELS = (TunnelInterface("node2", "192.0.2.2", "stt"),)


def network(name: str) -> Network:
    return Network(
        name,
        (LogicalSwitch("lan", ("10.0.1.0/24",)),),
        (LogicalRouter("core", (RouterPort("lan", "lan", "02:00:00:00:01:01", ("10.0.1.1/24",)),)),),
        (
            LogicalPort("a", "lan", "02:00:00:00:00:0a", ("10.0.1.10",)),
            LogicalPort("b", "lan", "02:00:00:00:00:0b", ("10.0.1.11",)),
        ),
    )


NETWORKS = (network("red"), network("blue"))
IDS = allocate(NETWORKS, Ids())
BINDINGS = tuple(
    Binding(one.name, port, node) for one in NETWORKS for port, node in (("a", "node1"), ("b", "node2"))
)
PORTS = {LocalPort("red/a"): 3, LocalPort("blue/a"): 4, TunnelPort("node2", "stt"): 7}


def compiled(
    compilation: Compilation,
    networks: tuple[Network, ...] = NETWORKS,
    ids: Ids = IDS,
    ports: dict[LocalPort | TunnelPort, int] = PORTS,
) -> Compiled:
    return compilation.compile(networks, BINDINGS, Tunnels(TUNNELS, TUNNELS), ids, encapsulations(), ports)


def new_compilation() -> Compilation:
    return Compilation("node1", canonical_flow)


def test_every_flow_is_canonical_and_found_by_its_key() -> None:
    texts = compiled(new_compilation()).texts
    assert len(texts) > 20
    assert all(canonical_flow(text) == text for text in texts.values())
    assert any("in_port=3" in key for key in texts) and any("in_port=4" in key for key in texts)


def test_what_comes_by_either_of_two_tunnels_to_a_node_is_taken_alike() -> None:
    double = msgspec.structs.replace(TUNNELS[0], second_address="198.51.100.2")
    ports = PORTS | {TunnelPort("node2", "stt", second=True): 8}
    arguments = (NETWORKS, BINDINGS, Tunnels((double,), (double,)), IDS, encapsulations(), ports)
    texts = new_compilation().compile(*arguments).texts.values()
    taken = [text for text in texts if "in_port=7" in text or "in_port=8" in text]
    first, second = (text for text in taken if "table=0," in text)
    assert second == first.replace("in_port=7", "in_port=8") or first == second.replace(
        "in_port=7", "in_port=8"
    )
    assert any("bundle(eth_src,0,active_backup,ofport,members:7,8)" in text for text in texts)


def test_what_is_still_under_way_between_second_endpoints_is_taken_while_the_first_stay() -> None:
    left = msgspec.structs.replace(TUNNELS[0], address="198.51.100.2", second_address="198.51.100.2")
    ports = PORTS | {TunnelPort("node2", "stt", second=True): 8}
    arguments = (NETWORKS, BINDINGS, Tunnels((TUNNELS[0], left), (TUNNELS[0],)), IDS, encapsulations(), ports)
    compiled = new_compilation().compile(*arguments)
    taken = [text for text in compiled.texts.values() if "table=0," in text and "in_port=8" in text]
    assert len(taken) == 1
    assert compiled.sends == {TunnelPort("node2", "stt")}


def test_nothing_is_compiled_twice_and_a_change_costs_only_the_objects_that_it_touches() -> None:
    compilation = new_compilation()
    first = dict(compiled(compilation).texts)
    count = compilation.compiled_count
    again = compiled(compilation)
    assert again.texts == first and again.changed == {}
    assert compilation.compiled_count == count
    twin = msgspec.structs.replace(
        NETWORKS[0].ports[1], name="c", mac="02:00:00:00:00:0c", addresses=("10.0.1.12",)
    )
    red = msgspec.structs.replace(NETWORKS[0], ports=(*NETWORKS[0].ports, twin))
    more = compiled(compilation, (red, NETWORKS[1]), allocate((red, NETWORKS[1]), IDS))
    assert compilation.compiled_count == count + 1
    assert more.changed is not None
    assert more.changed.keys() == more.texts.keys() - first.keys() and len(more.changed) == 5


def test_two_tunnels_are_a_choice_of_the_switch_once_one_of_them_is_heard() -> None:
    compilation, first = new_compilation(), TunnelPort("node2", "stt")
    ports = PORTS | {TunnelPort("node2", "stt", second=True): 8}

    def outputs(unheard: frozenset[TunnelPort]) -> bool:
        tunnels = Tunnels(TUNNELS, TUNNELS)
        made = compilation.compile(NETWORKS, BINDINGS, tunnels, IDS, encapsulations(), ports, unheard)
        return any("bundle(" in text for text in made.texts.values())

    assert [outputs(unheard) for unheard in (frozenset({first}), frozenset(), frozenset({first}))] == [
        False,
        True,
        False,
    ]


def test_a_network_that_is_gone_leaves_no_flow() -> None:
    compilation = new_compilation()
    compiled(compilation)
    alone = compiled(compilation, NETWORKS[1:])
    assert not any("red/" in owner for owner in alone.owners.values())
    assert any("blue/" in owner for owner in alone.owners.values())


def test_a_network_without_numbers_waits_and_keeps_what_it_had() -> None:
    compilation = new_compilation()
    before = compiled(compilation)
    after = compiled(compilation, ids=allocate(NETWORKS[1:], Ids()))
    assert set(compilation.pending) == {"red"}
    assert {key for key, text in before.texts.items() if "in_port=3" in key} <= after.texts.keys()
    compiled(compilation)
    assert compilation.pending == {}


def test_reasons_and_owners_name_what_flows_stand_for() -> None:
    result = compiled(new_compilation())
    assert set(result.reasons.values()) >= {"ttl-exceeded", "net-unreachable", "host-unreachable"}
    assert {"port red/a", "port blue/a"} <= set(result.owners.values())
    assert {one.owner for one in result.routers} == {"router red/core", "router blue/core"}
