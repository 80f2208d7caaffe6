"""What the agent knows of the world at one moment, read from its replicas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

import structlog
from msgspec import Struct
from msgspec.structs import replace

from tulle import store
from tulle.agent.requested import PortName, Requested
from tulle.store import Source, StoredNetwork, layer2, moving
from tulle.values import Ids, Membership, Network, Node, Tunnel, Turn, Unreachable
from tulle.values.moving import Prepared

__all__ = ["INTENT_TABLES", "PortName", "View", "read_view"]

_logger = structlog.get_logger(__name__)

INTENT_TABLES = (
    "Network",
    "Logical_Switch",
    "Logical_Router",
    "Router_Port",
    "Logical_Port",
    "ACL",
    "Port_Group",
    "Address_Set",
    "NAT",
    "Routing_Policy",
    "Load_Balancer",
    "Appliance",
    "Chain",
    "Mirror",
    "Node",
)


class View(Struct, frozen=True, dict=True):
    """Intent and state; `bindings` maps ports to nodes, `down` are backends that do not serve
    (network, load balancer, address)."""

    networks: Mapping[str, StoredNetwork]
    nodes: Mapping[str, Node]
    tunnels: tuple[Tunnel | Unreachable, ...]
    bindings: Mapping[PortName, str]
    ids: Ids
    down: frozenset[tuple[str, str, str]] = frozenset()
    turns: Mapping[str, Turn] = MappingProxyType({})
    prepared: Mapping[PortName, Prepared] = MappingProxyType({})
    appliances: Mapping[tuple[str, str, str], str] = MappingProxyType({})
    """What nodes say of appliances, by node, network and name: `up` or `down`."""
    memberships: frozenset[tuple[str, Membership]] = frozenset()
    """What nodes say of the groups of ports, with the node that says it."""
    physical: Mapping[str, frozenset[str]] = MappingProxyType({})
    """The physical networks that nodes have."""
    speakers: Mapping[tuple[str, str], str] = MappingProxyType({})
    """The nodes that speak for others in physical networks, by network and switch."""

    @property
    def versions(self) -> dict[str, int]:
        """The version of each network that users want."""
        return {name: one.version for name, one in self.networks.items()}

    @cached_property
    def requested(self) -> Requested:
        """Every port that exists, and the node that it asks for.

        One that a prepared node has taken asks for that node, also before users' intent says so.
        """
        found = Requested(self.networks)
        taken = {port: one.target for port, one in self.prepared.items() if self._is_taken(found, port, one)}
        return Requested(self.networks, taken) if taken else found

    def _is_taken(self, requested: Requested, port: PortName, one: Prepared) -> bool:
        return port in requested and one.source == requested[port] and self.bindings.get(port) == one.target

    @cached_property
    def parents(self) -> dict[PortName, PortName]:
        """The child ports, each with its parent."""
        return {
            (name, port.name): (name, port.parent)
            for name, one in self.networks.items()
            for port in one.network.ports
            if port.parent is not None
        }

    def with_children(self, ports: frozenset[PortName]) -> frozenset[PortName]:
        """These ports and all that share their devices as their children."""
        return ports | {child for child, parent in self.parents.items() if parent in ports}

    @property
    def all_networks(self) -> tuple[Network, ...]:
        """The networks by name, without their generations."""
        return tuple(self.networks[name].network for name in sorted(self.networks))


def read_view(intent: Source, state: Source, last: View | None = None) -> View:
    """Everything from the rows; a network whose rows make no sense is as it was in the `last` view."""
    kept: dict[str, StoredNetwork] = {}

    def keep(network: str, problem: Exception) -> None:
        _logger.warning("network not understood", network=network, problem=str(problem))
        if last is not None and network in last.networks:
            kept[network] = last.networks[network]

    found = store.networks(intent, keep)
    return View(
        found | kept,
        store.declared_nodes(intent) | store.nodes(state),
        store.tunnels(state),
        {(one.network, one.port): one.node for one in store.bindings(state)},
        store.ids(state),
        store.down(state),
        store.turns(state),
        with_children(moving.prepared(state), found | kept),
        store.appliances(state),
        layer2.memberships(state),
        layer2.physical(state),
        layer2.speakers(state),
    )


def with_children(
    prepared: Mapping[PortName, Prepared], networks: Mapping[str, StoredNetwork]
) -> Mapping[PortName, Prepared]:
    """What is prepared, with the children of prepared ports, which go with their parents."""
    if not prepared:
        return prepared
    children = {
        (name, port.name): replace(prepared[name, port.parent], port=port.name)
        for name, one in networks.items()
        for port in one.network.ports
        if port.parent is not None and (name, port.parent) in prepared
    }
    return {**prepared, **children}
