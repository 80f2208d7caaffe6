"""A network again under another name: the same inside, also the same addresses, plugged in elsewhere or nowhere.

Isolation needs nothing more: every switch and router of another network has a number of its own.  Its localnet ports
stay behind, with the ACLs and mirrors at them, as a physical network would join the two.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from tulle.errors import NotFound
from tulle.values import LogicalPort, Network

from .spelling import nearest


class Place(Struct, frozen=True):
    """Where a port is to be: its node, and the namespace and interface that the agent makes there, if any."""

    node: str
    namespace: str | None = None
    interface: str = "tap"


def cloned(network: Network, name: str, places: Mapping[str, Place]) -> Network:
    """The network as `name`; ports without a place are unbound.  NotFound for a place of no port."""
    known = {port.name for port in network.ports}
    for port in places:
        if port not in known:
            raise NotFound(f"no port {port!r} in network {network.name}{nearest(port, known)}")
    inside = _apart(network)
    return replace(inside, name=name, ports=tuple(_placed(one, places.get(one.name)) for one in inside.ports))


def _apart(network: Network) -> Network:
    """The network without its localnet ports, and without what speaks of them."""
    gone = {port.name for port in network.ports if port.localnet is not None}
    if not gone:
        return network
    groups = (
        replace(one, ports=tuple(name for name in one.ports if name not in gone))
        for one in network.port_groups
    )
    return replace(
        network,
        ports=tuple(one for one in network.ports if one.name not in gone),
        port_groups=tuple(groups),
        acls=tuple(one for one in network.acls if one.port not in gone),
        mirrors=tuple(one for one in network.mirrors if one.port not in gone),
    )


def renamed(network: Network, name: str | None) -> Network:
    """The network as `name`, or as it is."""
    return network if name is None else replace(network, name=name)


def _placed(port: LogicalPort, place: Place | None) -> LogicalPort:
    if place is None:
        return replace(port, node=None, namespace=None, interface="tap")
    return replace(port, node=place.node, namespace=place.namespace, interface=place.interface)
