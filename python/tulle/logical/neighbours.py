"""What each port of a network has that no other may have, so that a new one is compared with no other port.

`follow` brings it from the ports of a sound network to those of the next one; the work is that of what differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tulle.values import LogicalPort

from .differing import differing

Ports = tuple[LogicalPort, ...]


class Neighbours:
    """The ports of one network by name, address, MAC address on a switch, and place on a node."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """How many ports are on each switch."""
        self._ports: Ports = ()
        self._names: dict[str, LogicalPort] = {}
        self._addresses: dict[str, LogicalPort] = {}
        self._macs: dict[tuple[str, str], LogicalPort] = {}
        self._places: dict[tuple[str | None, str | None, str], LogicalPort] = {}

    def follow(self, ports: Ports) -> None:
        """Be about these ports, none of which has what another one has."""
        gone, come = differing(self._ports, ports)
        self._ports = ports
        for port in gone:
            self._names.pop(port.name, None)
            self._macs.pop((port.switch, port.mac), None)
            self.counts[port.switch] -= 1
            for address in port.addresses:
                self._addresses.pop(address, None)
            self._places.pop(_place(port), None)
        for port in come:
            self._names[port.name] = self._macs[port.switch, port.mac] = port
            self.counts[port.switch] += 1
            for address in port.addresses:
                self._addresses[address] = port
            if port.namespace is not None:
                self._places[_place(port)] = port

    def are_apart(self, come: Iterable[LogicalPort], gone: Iterable[LogicalPort]) -> bool:
        """Whether ports that come have nothing that one has which does not go."""
        going = set(map(id, gone))
        return all(owner is None or id(owner) in going for port in come for owner in self._owners(port))

    def _owners(self, port: LogicalPort) -> Iterable[LogicalPort | None]:
        yield self._names.get(port.name)
        yield self._macs.get((port.switch, port.mac))
        yield from map(self._addresses.get, port.addresses)
        if port.namespace is not None:
            yield self._places.get(_place(port))


def _place(port: LogicalPort) -> tuple[str | None, str | None, str]:
    return port.node, port.namespace, port.interface
