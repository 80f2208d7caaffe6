"""Which node needs what: networks to compile, remote nodes to reach, workloads to plug in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface, ip_network

from msgspec import Struct

from tulle.values import Attachment, Binding, LogicalPort, Network


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
    here = {(binding.network, binding.port) for binding in bindings if binding.node == node}
    return tuple(
        _attachment(network, port, mtus[network.name])
        for network in networks
        for port in network.ports
        if (network.name, port.name) in here and port.parent is None
    )


def _attachment(network: Network, port: LogicalPort, mtu: int) -> Attachment:
    subnets = [
        ip_network(subnet)
        for switch in network.switches
        if switch.name == port.switch
        for subnet in switch.subnets
    ]
    interfaces = tuple(
        f"{address}/{subnet.prefixlen}"
        for address in port.addresses
        for subnet in subnets
        if ip_address(address) in subnet
    )
    return Attachment(
        f"{network.name}/{port.name}",
        port.mac,
        interfaces,
        _gateways(network, port, interfaces),
        port.namespace,
        port.interface,
        mtu,
        port.configure == "dhcp",
    )


def _gateways(network: Network, port: LogicalPort, interfaces: Iterable[str]) -> tuple[str, ...]:
    """One router address of each family: the first router on a subnet of the port."""
    homes = {ip_interface(one).network for one in interfaces}
    found: dict[int, str] = {}
    for router in network.routers:
        for router_port in router.ports:
            for address in map(ip_interface, router_port.addresses):
                if router_port.switch == port.switch and address.network in homes:
                    found.setdefault(address.version, str(address.ip))
    return tuple(found[version] for version in sorted(found))
