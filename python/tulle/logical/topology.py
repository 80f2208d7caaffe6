"""What is where: on which side of a router, whom its translations are for, who answers for their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from msgspec.structs import replace

from tulle.values import LogicalRouter, Nat, Network, RouterPort


def with_homes(network: Network) -> Network:
    """The network with child ports that ask for the nodes of their parents, as a reader would have it."""
    if all(port.parent is None for port in network.ports):
        return network
    nodes = {port.name: port.node for port in network.ports}
    ports = (
        port if port.parent is None else replace(port, node=nodes.get(port.parent)) for port in network.ports
    )
    return replace(network, ports=tuple(ports))


def port_of(router: LogicalRouter, address: str) -> RouterPort | None:
    """The port of a router with a subnet that holds an address."""
    wanted = ip_address(address)
    for port in router.ports:
        if any(wanted in ip_interface(one).network for one in port.addresses):
            return port
    return None


def around(network: Network, start: Iterable[str], but: str | None = None) -> frozenset[str]:
    """The switches that packets get to from some switches, without passing the router `but`."""
    found = set(start)
    routers = [{port.switch for port in one.ports} for one in network.routers if one.name != but]
    while True:
        more = {switch for one in routers if one & found for switch in one} - found
        if not more:
            return frozenset(found)
        found |= more


def outside(network: Network, router: LogicalRouter, nat: Nat) -> frozenset[str]:
    """The switches whose ports know what a rule translates by its external address."""
    port = port_of(router, nat.external)
    return around(network, [port.switch] if port is not None else (), router.name)


def inside(network: Network, router: LogicalRouter, nat: Nat) -> tuple[str, ...]:
    """Which parts of the subnets on the other side a rule speaks of."""
    beyond = outside(network, router, nat)
    near = around(network, [one.switch for one in router.ports if one.switch not in beyond], router.name)
    wanted = ip_network(nat.logical)
    subnets = [
        ip_network(subnet)
        for switch in network.switches
        if switch.name in near - beyond
        for subnet in switch.subnets
    ]
    return tuple(str(part) for one in subnets if (part := _common(one, wanted)) is not None)


def borne(network: Network, router: LogicalRouter, port: RouterPort) -> Iterator[str]:
    """The addresses that a router answers for at a port, beside its own."""
    vips = (vip for one in network.load_balancers if one.router == router.name for vip in one.vips)
    for address in (*(nat.external for nat in router.nat), *vips):
        if port_of(router, address) == port:
            yield address


def own_addresses(router: LogicalRouter) -> frozenset[str]:
    """The addresses of a router's ports."""
    return frozenset(str(ip_interface(one).ip) for port in router.ports for one in port.addresses)


def _common(
    one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network
) -> IPv4Network | IPv6Network | None:
    if one.version != other.version or not one.overlaps(other):
        return None
    return one if one.prefixlen >= other.prefixlen else other
