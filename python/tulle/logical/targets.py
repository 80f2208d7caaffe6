"""The backends of a load balancer as addresses, and who answers for what is translated."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from msgspec import Struct

from tulle.values import Backend, LoadBalancer, Network

from .fill import derived_mac
from .topology import borne


class Target(Struct, frozen=True):
    """Where a connection may go; `name` is for people."""

    name: str
    address: str
    dport: int


def targets(network: Network, balancer: LoadBalancer, vip: str) -> Iterator[Target]:
    """Who serves a virtual IP, in the order of the backends: those with an address of its family."""
    addresses = {port.name: port.addresses for port in network.ports}
    for backend in balancer.backends:
        own = addresses.get(backend.port or "", ()) if backend.address is None else (backend.address,)
        found = next((one for one in own if (":" in one) == (":" in vip)), None)
        if found is not None:
            yield Target(backend_name(backend), found, backend.dport or balancer.dport)


def backend_name(backend: Backend) -> str:
    """What people call a backend."""
    return backend.port or backend.address or ""


def vip_mac(network: Network, balancer: LoadBalancer) -> str:
    """What a virtual IP is reached by on the subnet of the switch that balances."""
    return derived_mac(f"{network.name}/load balancer/{balancer.name}")


def own_vips(network: Network, switch: str) -> Iterator[tuple[LoadBalancer, tuple[str, ...]]]:
    """Load balancers of a switch, with those of their virtual IPs that are on its subnets."""
    texts = next(one.subnets for one in network.switches if one.name == switch)
    subnets = [ip_network(one) for one in texts]
    for balancer in network.load_balancers:
        if balancer.switch == switch:
            own = (vip for vip in balancer.vips if any(ip_address(vip) in subnet for subnet in subnets))
            yield balancer, tuple(own)


def answering(network: Network, switch: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """MAC addresses on a switch, and the translated addresses that are reached by them."""
    for balancer, vips in own_vips(network, switch):
        yield vip_mac(network, balancer), vips
    for router in network.routers:
        for port in router.ports:
            if port.switch == switch:
                yield port.mac, tuple(borne(network, router, port))
