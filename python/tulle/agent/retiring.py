"""Tunnels that are not needed any more are received by a moment longer: frames may be under way in them.

The controller names a tunnel until both ends report that they send by it no more, so this covers only the
time that a frame takes.  A new agent gives those that it finds the same time.  Pure: it is given the time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tulle.agent.interfaces import ENDPOINT, EXTERNAL, Present
from tulle.values import Node, TunnelInterface

GRACE_S = 1.0


class Retiring:
    """Remembers since when which of the agent's tunnel interfaces are surplus."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def update(self, there: Mapping[str, Present], desired: Collection[str], now: float) -> frozenset[str]:
        """The names of the interfaces to keep a little longer; `now` is in seconds."""
        surplus = {name for name, one in there.items() if one.own and one.peer and name not in desired}
        self._until = {name: self._until.get(name, now + GRACE_S) for name in surplus}
        return frozenset(name for name, end in self._until.items() if end > now)

    def next_end(self) -> float | None:
        """When the next one is to go."""
        return min(self._until.values(), default=None)


def tunnel_of(one: Present, nodes: Mapping[str, Node]) -> TunnelInterface:
    """The tunnel that an interface stands for; a peer that is not known any more counts as external."""
    peer = one.peer or ""
    external = EXTERNAL in one.interface.external_ids or peer not in nodes or nodes[peer].external
    address = one.interface.options.get("remote_ip", "")
    second = address if ENDPOINT in one.interface.external_ids else ""
    return TunnelInterface(peer, address, one.interface.kind, external, second)
