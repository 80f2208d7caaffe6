"""Switches that are joined to a physical network: which nodes have it, and which of them speaks there for the rest.

Between nodes that have the physical network it carries the switch, and no tunnel does.  Nodes that do not have it are
reached by tunnels; one of those that have it, the speaker, passes on what these send to the physical network and what
comes from there for them.  So each frame has one way.  Who speaks is written down in one place, and nobody does before:
two nodes that each took the other for one without the physical network would send a frame round for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from tulle.values import Binding, Network


class Physical(Struct, frozen=True):
    """The physical networks that nodes have, by node; who speaks for a switch, by network and switch."""

    networks: Mapping[str, Collection[str]] = {}
    speakers: Mapping[tuple[str, str], str] = {}


NO_PHYSICAL = Physical()


class Localnet(Struct, frozen=True):
    """The localnet port of one switch, as `node` sees it; `joined` are the nodes with that physical network."""

    port: str
    switch: str
    node: str
    joined: frozenset[str]
    speaker: str | None = None

    @property
    def is_here(self) -> bool:
        """Whether this node has the physical network."""
        return self.node in self.joined

    @property
    def speaks(self) -> bool:
        """Whether this node speaks for those that do not have the physical network."""
        return self.is_here and self.speaker == self.node

    @property
    def home(self) -> str | None:
        """Where this node finds the localnet port."""
        if self.is_here:
            return self.node
        return self.speaker if self.speaker in self.joined else None

    def flooded(self, nodes: Collection[str]) -> frozenset[str]:
        """The nodes among these that this one sends broadcasts to by tunnels.

        What is sent to the physical network is passed on by the speaker, whoever sent it.
        """
        if self.is_here:
            return frozenset(nodes) - self.joined if self.speaks else frozenset()
        return frozenset(nodes) - (self.joined - {self.speaker})

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
        joined = frozenset(one for one in nodes if port.localnet in physical.networks.get(one, ()))
        speaker = physical.speakers.get((network.name, port.switch))
        if joined:
            found[port.switch] = Localnet(port.name, port.switch, node, joined, speaker)
    return found


def claimed(found: Iterable[Localnet]) -> list[str]:
    """The switches for which this node is to speak from now on, as nobody does who could."""
    return [one.switch for one in found if one.is_here and one.speaker not in one.joined]
