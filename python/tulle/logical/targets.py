"""The backends of a load balancer as addresses."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from tulle.values import Backend, LoadBalancer, Network


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
