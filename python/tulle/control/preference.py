"""Whose order of encapsulations decides, and the sentence that says why.

A node's order is what users say of it, cut to what its agent says it is able to do; a network's order comes
before those of the nodes.  An order that leaves nothing is passed over: packets had better go another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from tulle.values import Node, Tunnel

Orders = Mapping[str, tuple[str, ...]]
"""Encapsulations, best first, by network or node."""


def preferring(able: Mapping[str, Node], declared: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes with the order in which users want their encapsulations, as far as they are able to do them."""
    return {name: _preferring(node, declared.get(name)) for name, node in able.items()}


def choose_for_networks(tunnel: Tunnel, nodes: Mapping[str, Node], orders: Orders) -> Tunnel:
    """The same pair, with the networks that go another way than most."""
    common = share(nodes[tunnel.local], nodes[tunnel.remote])
    found = {
        network: next((name for name in order if name in common), tunnel.encapsulation)
        for network, order in orders.items()
    }
    different = {network: name for network, name in sorted(found.items()) if name != tunnel.encapsulation}
    return replace(tunnel, networks=different)


def in_use(tunnel: Tunnel, network: str) -> str:
    """The encapsulation that packets of a network are sent in."""
    return tunnel.networks.get(network, tunnel.encapsulation)


def ways_of(tunnel: Tunnel, network: str) -> set[str]:
    """The encapsulations that packets of a network are sent in, or soon may be."""
    key = network if network in tunnel.networks or network in tunnel.coming else ""
    return {in_use(tunnel, network), tunnel.coming.get(key, in_use(tunnel, network))}


def network_reason(tunnel: Tunnel, nodes: Mapping[str, Node], network: str, order: tuple[str, ...]) -> str:
    """Why a network with an order of its own is carried as it is between these nodes."""
    common = share(nodes[tunnel.local], nodes[tunnel.remote])
    found = next((name for name in order if name in common), None)
    if found is None:
        return f"{network} prefers {', '.join(order)}, which the two do not share; as the nodes prefer"
    place = order.index(found)
    missing = [_lacking(name, (nodes[tunnel.local], nodes[tunnel.remote])) for name in order[:place]]
    return "; ".join([f"{_ordinal(place)} choice of {network}", *missing])


def pair_reason(tunnel: Tunnel, nodes: Mapping[str, Node]) -> str:
    """Why the two nodes use what they use."""
    ends = (nodes[tunnel.local], nodes[tunnel.remote])
    places = [node.encapsulations.index(tunnel.encapsulation) for node in ends]
    said = [f"{_ordinal(place)} choice of {node.name}" for place, node in zip(places, ends, strict=True)]
    if places[0] == places[1]:
        said = [f"{_ordinal(places[0])} choice of both"]
    better = [name for place, node in zip(places, ends, strict=True) for name in node.encapsulations[:place]]
    common = share(*ends)
    missing = [_lacking(name, ends) for name in dict.fromkeys(better) if name not in common]
    return "; ".join([*said, *missing])


def passed_over(able: Mapping[str, Node], declared: Mapping[str, Node]) -> dict[str, str]:
    """Why the wish of users for a node does not count, by node."""
    return {
        name: f"wanted {', '.join(declared[name].encapsulations)}, able to do {', '.join(node.encapsulations)}"
        for name, node in able.items()
        if name in declared and declared[name].encapsulations and not _cut(node, declared[name])
    }


def _preferring(node: Node, declared: Node | None) -> Node:
    if declared is None or node.external:
        return node
    return replace(node, encapsulations=_cut(node, declared) or node.encapsulations)


def _cut(node: Node, declared: Node) -> tuple[str, ...]:
    return tuple(name for name in declared.encapsulations if name in node.encapsulations)


def share(one: Node, other: Node) -> frozenset[str]:
    """What both have in their lists."""
    return frozenset(one.encapsulations).intersection(other.encapsulations)


def _lacking(name: str, ends: Iterable[Node]) -> str:
    return f"{' and '.join(node.name for node in ends if name not in node.encapsulations)} without {name}"


def _ordinal(place: int) -> str:
    words = ("first", "second", "third")
    return words[place] if place < len(words) else f"{place + 1}th"
