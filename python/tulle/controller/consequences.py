"""What a change would do: which flows, ports and tunnels come and go on which node, and who reaches whom then.

Pure: `World` is all that it looks at, so it can be computed beside the event loop.  Both sides are compiled as the
agents compile them, with every port where it asks to be, else where it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from tulle import store
from tulle.control import allocate, compile_node, placement, plan_flows, tunnels_of
from tulle.control.localnets import NO_PHYSICAL, Physical
from tulle.encap import encapsulations
from tulle.logical import compile_network, reach_change
from tulle.logical.topology import with_homes
from tulle.openflow.flows import emit_flow
from tulle.store import Source, layer2
from tulle.values import (
    AddFlow,
    Binding,
    DeleteFlow,
    Flow,
    Ids,
    LocalPort,
    ModifyFlow,
    Network,
    Node,
    Tunnel,
    TunnelPort,
    Unreachable,
    Zone,
)

from .asked import Pair

Document = dict[str, Any]
LISTED_MAX: Final = 1000
WORDS: Final = {AddFlow: "added", ModifyFlow: "changed", DeleteFlow: "removed"}
FlowStep = AddFlow | ModifyFlow | DeleteFlow


class World(Struct, frozen=True):
    """Networks, nodes and numbers at one moment; `bound` is where ports are."""

    networks: Mapping[str, Network]
    nodes: Mapping[str, Node]
    tunnels: tuple[Tunnel | Unreachable, ...]
    bound: Mapping[tuple[str, str], str]
    ids: Ids
    physical: Physical = NO_PHYSICAL


class Side(Struct, frozen=True):
    """Before, or after: the networks, where their ports are, and the numbers."""

    networks: Mapping[str, Network]
    bindings: tuple[Binding, ...]
    ids: Ids


def read_world(intent: Source, state: Source) -> World:
    """Everything from the rows."""
    return World(
        {name: one.network for name, one in store.networks(intent).items()},
        store.declared_nodes(intent) | store.nodes(state),
        store.tunnels(state),
        {(one.network, one.port): one.node for one in store.bindings(state)},
        store.ids(state),
        Physical(layer2.physical(state), layer2.speakers(state)),
    )


def consequences(world: World, pairs: Iterable[Pair]) -> Document:
    """{"nodes": [what changes on each], "reach": [who reaches whom in which network]}, in plain values."""
    changed = tuple(pairs)
    gone = {one.before.name for one in changed if one.before is not None}
    came = {one.new.name: one.new for one in changed if one.new is not None}
    kept = {name: network for name, network in world.networks.items() if name not in gone}
    before, after = _side(world, world.networks), _side(world, kept | came)
    touched = gone | came.keys()
    nodes = sorted({one.node for side in (before, after) for one in side.bindings if one.network in touched})
    return {
        "nodes": [
            found
            for node in nodes
            if node in world.nodes and not world.nodes[node].external
            if (found := _on_node(node, world, before, after, sorted(touched))) is not None
        ],
        "reach": [
            {"network": one.name, **msgspec.to_builtins(reach_change(one.before, one.new))}
            for one in changed
            if one.before is None or one.new is None or one.before.name == one.new.name
        ],
    }


def _side(world: World, networks: Mapping[str, Network]) -> Side:
    places = [
        Binding(name, port.name, node)
        for name, network in networks.items()
        for port in with_homes(network).ports
        if (node := port.node or world.bound.get((name, port.name))) is not None
    ]
    held = {*world.ids.datapaths, *world.ids.ports}  # agents let go of old numbers later
    return Side(networks, tuple(places), allocate(networks.values(), world.ids, held))


def _on_node(node: str, world: World, before: Side, after: Side, networks: list[str]) -> Document | None:
    steps: list[FlowStep] = []
    for name in networks:
        old, new = (_flows(node, name, world, side) for side in (before, after))
        steps += [one for one in plan_flows(old, new) if isinstance(one, FlowStep)]
    ports = _difference(*(_ports(node, side, networks) for side in (before, after)))
    tunnels = _difference(*(_remotes(node, world, side) for side in (before, after)))
    if not (steps or any(ports.values()) or any(tunnels.values())):
        return None
    counted = Counter(WORDS[type(one)] for one in steps)
    return {
        "node": node,
        "flows": {word: counted[word] for word in WORDS.values()},
        "ports": ports,
        "tunnels": tunnels,
        "objects": _objects(steps),
        "listed": [_listed(one) for one in steps[:LISTED_MAX]],
        "left_out": max(0, len(steps) - LISTED_MAX),
    }


def _flows(node: str, name: str, world: World, side: Side) -> tuple[Flow, ...]:
    """The flows of one network on a node, without those that every node has in any case."""
    network = side.networks.get(name)
    places = tuple(one for one in side.bindings if one.network == name)
    if network is None or node not in {one.node for one in places}:
        return ()
    tunnels = tunnels_of(node, world.tunnels, world.nodes, name)
    known = encapsulations()
    everywhere = {one.key for one in compile_node(node, (), (), tunnels, side.ids, known)}
    placed = compile_node(node, (network,), places, tunnels, side.ids, known, physical=world.physical)
    return (*(one for one in placed if one.key not in everywhere), *compile_network(network, side.ids))


def _ports(node: str, side: Side, networks: list[str]) -> set[str]:
    return {
        f"{one.network}/{one.port}" for one in side.bindings if one.node == node and one.network in networks
    }


def _remotes(node: str, world: World, side: Side) -> set[str]:
    wanted = placement(node, side.networks.values(), side.bindings).remotes
    return {one.remote for one in tunnels_of(node, world.tunnels, world.nodes) if one.remote in wanted}


def _difference(before: set[str], after: set[str]) -> dict[str, list[str]]:
    return {"added": sorted(after - before), "removed": sorted(before - after)}


def _objects(steps: Iterable[FlowStep]) -> list[Document]:
    """How many flows of each logical object come, change and go."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in steps:
        found[one.flow.owner][WORDS[type(one)]] += 1
    return [
        {"object": owner, **{word: counted[word] for word in WORDS.values()}}
        for owner, counted in sorted(found.items())
    ]


def _listed(step: FlowStep) -> Document:
    text = emit_flow(step.flow, _Names()) or ""
    head, _, actions = text.partition(" actions=")
    match = ",".join(part for part in head.split(",") if not part.startswith("cookie="))
    return {"change": WORDS[type(step)], "flow": match, "actions": actions, "object": step.flow.owner}


class _Names(Mapping[LocalPort | TunnelPort | Zone, str]):
    """Ports by their names, as `emit_flow` asks for them."""

    def __getitem__(self, port: LocalPort | TunnelPort | Zone) -> str:
        return f"tunnel-to-{port.node}" if isinstance(port, TunnelPort) else port.name

    def __iter__(self) -> Iterator[LocalPort | TunnelPort | Zone]:
        return iter(())

    def __len__(self) -> int:
        return 0
