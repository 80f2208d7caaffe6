"""Which ports this node serves, claims and lets go.  Pure, but for `Lingering`, which is given the time.

A port moves without a gap: the new node makes everything ready and then claims the binding; the old
one goes on serving until it has seen that, and a little longer.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from msgspec import Struct

from tulle.agent.view import PortName, View
from tulle.values import Binding
from tulle.values.moving import Transit

GRACE_S = 1.0
"""How long the old node of a moved port still serves: time for all others to follow the binding."""


class Places(Struct, frozen=True, dict=True):
    """The ports of this node.

    `wanted` belong here; `held` are still bound here while another node prepares; `lingering` have
    just gone and are still served; `coming` are to be ready here, and stay where they are until they speak here.
    """

    wanted: frozenset[PortName]
    held: frozenset[PortName]
    lingering: frozenset[PortName]
    coming: frozenset[PortName] = frozenset()

    @cached_property
    def local(self) -> frozenset[PortName]:
        """All that need an interface here."""
        return self.wanted | self.held | self.lingering | self.coming


class Lingering:
    """Remembers the ports that were served here until a moment ago."""

    def __init__(self) -> None:
        self._served: frozenset[PortName] = frozenset()
        self._until: dict[PortName, float] = {}

    def update(self, view: View, node: str, kept: frozenset[PortName], now: float) -> frozenset[PortName]:
        """The ports to serve a little longer; `kept` stay anyway, `now` is in seconds."""
        moved = {
            port
            for port in self._served - kept
            if view.bindings.get(port) not in (None, node) and port in view.requested
        }
        for port in moved - self._until.keys():
            self._until[port] = now + GRACE_S
        self._until = {port: end for port, end in self._until.items() if end > now and port not in kept}
        return frozenset(self._until)

    def serve(self, ports: frozenset[PortName]) -> None:
        """Note which ports are served now."""
        self._served = ports

    def next_end(self) -> float | None:
        """When the next port stops to linger."""
        return min(self._until.values(), default=None)


def wanted(view: View, node: str, foreign: Collection[PortName]) -> frozenset[PortName]:
    """Ports that ask for this node, or for none while somebody has plugged them in here (`foreign`)."""
    requested, expected = view.requested, coming(view, node)
    here = (port for port, asked in requested.asking.items() if asked == node)
    plugged = (port for port in foreign if port in requested and requested[port] is None)
    return frozenset((*here, *(port for port in plugged if port not in expected)))


def coming(view: View, node: str) -> frozenset[PortName]:
    """Ports that are prepared here and still bound elsewhere, as users have not asked for a third place since."""
    requested = view.requested if view.prepared else {}
    return frozenset(
        port
        for port, one in view.prepared.items()
        if one.target == node
        and port in requested
        and requested[port] == one.source
        and view.bindings.get(port) != node
    )


def departing(view: View, node: str, places: Places) -> dict[PortName, str]:
    """The ports whose connections another node needs from this one, and which node that is."""
    requested = view.requested if places.held else {}
    found = {port: at for port in places.held if (at := requested[port]) is not None}
    for port, one in view.prepared.items():
        if view.bindings.get(port) == node and port in places.wanted and one.target != node:
            found[port] = one.target
    for port in places.lingering:
        found[port] = view.bindings[port]
    return found


def transits(
    view: View, node: str, places: Places, ready: Collection[PortName], waiting: Collection[PortName]
) -> tuple[Transit, ...]:
    """The ports whose devices are served here while others look for them elsewhere.

    `waiting` are wanted here and not taken before their connections have come.
    """
    found = [
        Transit(*port, view.bindings[port], comes=False) for port in places.lingering if port in view.bindings
    ]
    for port in (places.coming | frozenset(waiting)) & frozenset(ready):
        if (at := view.bindings.get(port)) is not None and at != node:
            found.append(Transit(*port, at, comes=True, activates=port in places.coming))
    return tuple(sorted(found, key=lambda one: (one.network, one.port)))


def held(view: View, node: str) -> frozenset[PortName]:
    """Ports bound here that ask for another node, which has not claimed them yet."""
    requested = view.requested
    return frozenset(
        port for port, at in view.bindings.items() if at == node and requested.get(port) not in (None, node)
    )


def claims(view: View, node: str, places: Places, ready: Collection[PortName]) -> list[PortName]:
    """Ports to bind to this node now."""
    return sorted(port for port in places.wanted if port in ready and view.bindings.get(port) != node)


def releases(view: View, node: str, places: Places) -> list[PortName]:
    """Ports bound here that nobody wants here any more."""
    mine = (port for port, at in view.bindings.items() if at == node)
    return sorted(port for port in mine if port not in places.wanted | places.held)


def effective_bindings(
    view: View, node: str, places: Places, ready: Collection[PortName]
) -> tuple[Binding, ...]:
    """Where ports are as this node should see it: what it serves is here, the rest where it is bound.

    A port that is bound nowhere yet counts where it asks to be.
    """
    here = places.local.intersection(ready)
    bindings, asking = view.bindings, view.requested.asking
    out = []
    for port in sorted({*here, *bindings, *asking}):
        at = node if port in here else bindings.get(port, asking.get(port))
        if at is not None and at in view.nodes and port in view.requested:
            out.append(Binding(*port, at))
    return tuple(out)


def local_bindings(node: str, places: Places) -> tuple[Binding, ...]:
    """All ports that need an interface here, as bindings."""
    return tuple(Binding(*port, node) for port in sorted(places.local))


def needed_remotes(view: View, node: str, places: Places, bindings: Collection[Binding]) -> frozenset[str]:
    """The nodes to which tunnels are needed, those included that ports are about to move to."""
    networks = {network for network, _ in places.local}
    networks |= {one.network for one in bindings if one.node == node}
    nodes = {one.node for one in bindings if one.network in networks}
    asked = {at for (network, _), at in view.requested.asking.items() if network in networks}
    bound = {at for (network, _), at in view.bindings.items() if network in networks}
    bound |= {one.target for (network, _), one in view.prepared.items() if network in networks}
    return frozenset((nodes | asked | bound) & view.nodes.keys()) - {node}
