"""Where users want ports to be, by port; made for each view, so nothing is done for a port that nobody asks about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from tulle.store import StoredNetwork

PortName = tuple[str, str]
"""Network and port."""


class Requested(Mapping[PortName, str | None]):
    """Every port that exists, and the node that it asks for; `others` ask for another one than their networks say."""

    def __init__(
        self, networks: Mapping[str, StoredNetwork], others: Mapping[PortName, str | None] | None = None
    ) -> None:
        self._networks = networks
        self._others = others or {}

    @cached_property
    def asking(self) -> dict[PortName, str]:
        """Only the ports that ask for a node."""
        found: dict[PortName, str | None] = {
            (name, one.name): one.node for name, each in self._networks.items() for one in each.placed
        }
        for name, each in self._networks.items():
            found.update({(name, one.name): each.nodes[one.name] for one in each.children})
        found.update(self._others)
        return {port: node for port, node in found.items() if node is not None}

    def __getitem__(self, port: PortName) -> str | None:
        if port in self._others:
            return self._others[port]
        return self._networks[port[0]].nodes[port[1]]

    def __iter__(self) -> Iterator[PortName]:
        return ((network, port) for network, one in self._networks.items() for port in one.nodes)

    def __len__(self) -> int:
        return sum(len(one.nodes) for one in self._networks.values())
