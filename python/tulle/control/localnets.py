"""Switches that are joined to a physical network: which nodes have it, and which of them speaks there for the rest.

Between nodes that have the physical network it carries the switch, and no tunnel does.  Nodes that do not have it are
reached by tunnels; the first of those that have it, by name, passes on what these send to the physical network and
what comes from there for them.  So each frame has one way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from tulle.values import Binding, Network

Physical = Mapping[str, Collection[str]]
"""The physical networks that nodes have, by node."""


class Localnet(Struct, frozen=True):
    """The localnet port of one switch, as `node` sees it; `joined` are the nodes with that physical network."""

    port: str
    switch: str
    node: str
    joined: frozenset[str]

    @property
    def is_here(self) -> bool:
        """Whether this node has the physical network."""
        return self.node in self.joined

    @property
    def first(self) -> str:
        """The node that speaks for those that do not have it."""
        return min(self.joined)

    @property
    def home(self) -> str:
        """Where this node finds the localnet port."""
        return self.node if self.is_here else self.first

    def flooded(self, nodes: Collection[str]) -> frozenset[str]:
        """The nodes among these that this one sends broadcasts to by tunnels.

        What is sent to the physical network is passed on by the first node that hears it there, whoever sent it.
        """
        if self.is_here and self.node != self.first:
            return frozenset()
        return frozenset(nodes) - (self.joined - {self.first} if not self.is_here else self.joined)

    def leads_to(self, node: str) -> bool:
        """Whether what goes from here to a port at `node` takes the physical network."""
        return self.is_here and node in self.joined


def localnets(
    node: str, network: Network, bindings: Iterable[Binding], physical: Physical
) -> dict[str, Localnet]:
    """By switch; one whose physical network no node of the network has is left out."""
    ports = [port for port in network.ports if port.localnet is not None]
    nodes = {one.node for one in bindings if one.network == network.name} if ports else set()
    found = {}
    for port in ports:
        joined = frozenset(one for one in nodes if port.localnet in physical.get(one, ()))
        if joined:
            found[port.switch] = Localnet(port.name, port.switch, node, joined)
    return found
