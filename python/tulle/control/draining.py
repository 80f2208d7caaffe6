"""Where the ports of a node go when it is drained.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from tulle.values import Binding, Network

PortName = tuple[str, str]


class Removal(Struct, frozen=True, order=True):
    """A port and the node that it goes to; None with the reason where it cannot be moved."""

    network: str
    port: str
    target: str | None
    reason: str = ""


def drained(
    node: str,
    networks: Iterable[Network],
    bindings: Iterable[Binding],
    targets: Collection[str],
    apart: Collection[frozenset[str]] = (),
) -> tuple[Removal, ...]:
    """Each port that asks for `node` or is bound there goes to the target that has the fewest ports by then.

    `apart` are pairs of nodes that no tunnel joins: a port goes to no node that its network's other nodes do not reach.
    """
    networks = tuple(networks)
    at = {(one.network, one.port): one.node for one in bindings}
    places = {
        (network.name, port.name): port.node or at.get((network.name, port.name))
        for network in networks
        for port in network.ports
        if port.parent is None  # a child goes where its parent goes
    }
    load = Counter(dict.fromkeys(targets, 0))
    load.update(place for place in places.values() if place is not None and place in load)
    found = []
    for network in sorted(networks, key=lambda one: one.name):
        near = {place for (name, _), place in places.items() if name == network.name and place is not None}
        able = [
            one for one in targets if not any(frozenset((one, other)) in apart for other in near - {node})
        ]
        for port in sorted(network.ports, key=lambda one: one.name):
            here = port.parent is None and node in (port.node, at.get((network.name, port.name)))
            if here:
                found.append(
                    _removal(network.name, port.name, _hindrance(port.node, port.namespace, node), able, load)
                )
    return tuple(found)


def _removal(network: str, port: str, hindrance: str, able: Collection[str], load: Counter[str]) -> Removal:
    if hindrance or not able:
        return Removal(
            network, port, None, hindrance or "no other node is connected and reaches the network's nodes"
        )
    target = min(able, key=lambda one: (load[one], one))
    load[target] += 1
    return Removal(network, port, target)


def _hindrance(asked: str | None, namespace: str | None, node: str) -> str:
    """Why a port is not the controller's to move."""
    if asked is None:
        return "asks for no node: whoever has plugged it in has to move it"
    if asked != node:
        return f"is on its way to {asked} already"
    if namespace is None:
        return "its device is somebody else's: `tulle port prepare` has another node ready for it"
    return ""


def by_network(removals: Iterable[Removal]) -> Mapping[str, dict[str, str]]:
    """What moves, by network and port."""
    found: dict[str, dict[str, str]] = {}
    for one in removals:
        if one.target is not None:
            found.setdefault(one.network, {})[one.port] = one.target
    return found
