"""Which node needs what: networks to compile, remote nodes to reach, workloads to plug in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Final

from msgspec import Struct

from tulle.values import Attachment, Binding, LogicalPort, Network

Interface = IPv4Interface | IPv6Interface
Subnet = IPv4Network | IPv6Network
TEXTS: Final = 4096
_interface, _network = lru_cache(TEXTS)(ip_interface), lru_cache(TEXTS)(ip_network)


class Placement(Struct, frozen=True):
    """What concerns one node; everything else is none of its business."""

    networks: tuple[Network, ...]
    remotes: tuple[str, ...]
    bindings: tuple[Binding, ...]


def requested_bindings(networks: Iterable[Network], nodes: Iterable[str]) -> tuple[Binding, ...]:
    """Each port that asks for a known node gets it; a child is where its parent is."""
    known = set(nodes)
    found = []
    for network in networks:
        asked = {port.name: port.node for port in network.ports if port.node in known}
        for port in network.ports:
            node = asked.get(port.parent or port.name)
            if node is not None:
                found.append(Binding(network.name, port.name, node))
    return tuple(found)


def placement(node: str, networks: Iterable[Network], bindings: Iterable[Binding]) -> Placement:
    """The networks with a port on `node`, the nodes that share one, and the bindings of these networks."""
    all_bindings = list(bindings)
    local = {binding.network for binding in all_bindings if binding.node == node}
    shared = tuple(binding for binding in all_bindings if binding.network in local)
    remotes = {binding.node for binding in shared} - {node}
    chosen = tuple(network for network in networks if network.name in local)
    return Placement(chosen, tuple(sorted(remotes)), shared)


def attachments(
    node: str, networks: Iterable[Network], bindings: Iterable[Binding], mtus: Mapping[str, int]
) -> tuple[Attachment, ...]:
    """The workloads to plug in on `node`; `mtus` gives the MTU in bytes by network."""
    here: defaultdict[str, set[str]] = defaultdict(set)
    for binding in bindings:
        if binding.node == node:
            here[binding.network].add(binding.port)
    return tuple(
        made
        for network in networks
        if network.name in here
        for made in _attachments(network, here[network.name], mtus[network.name])
    )


def _attachments(network: Network, names: Collection[str], mtu: int) -> Iterator[Attachment]:
    subnets = {switch.name: tuple(map(_network, switch.subnets)) for switch in network.switches}
    gateways: defaultdict[str, list[Interface]] = defaultdict(list)
    for router in network.routers:
        for router_port in router.ports:
            gateways[router_port.switch] += map(_interface, router_port.addresses)
    for port in network.ports:
        if port.name in names and port.parent is None:
            yield _attachment(network, port, mtu, subnets.get(port.switch, ()), gateways[port.switch])


def _attachment(
    network: Network, port: LogicalPort, mtu: int, subnets: Iterable[Subnet], gateways: Iterable[Interface]
) -> Attachment:
    interfaces = tuple(
        f"{address}/{subnet.prefixlen}"
        for address in port.addresses
        for subnet in subnets
        if _interface(address).ip in subnet
    )
    return Attachment(
        f"{network.name}/{port.name}",
        port.mac,
        interfaces,
        _gateways(interfaces, gateways),
        port.namespace,
        port.interface,
        mtu,
        port.configure == "dhcp",
    )


def _gateways(interfaces: Iterable[str], routers: Iterable[Interface]) -> tuple[str, ...]:
    """One router address of each family: the first router on a subnet of the port."""
    homes = {_interface(one).network for one in interfaces}
    found: dict[int, str] = {}
    for address in routers:
        if address.network in homes:
            found.setdefault(address.version, str(address.ip))
    return tuple(found[version] for version in sorted(found))
