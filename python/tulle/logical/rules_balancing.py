"""Rules about load balancers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from tulle.values import Backend, LoadBalancer, Network

from .problem import Path, Problem, repeated
from .rules_address import canonical
from .spelling import nearest
from .topology import own_addresses


def balancer_names(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, name space, name) of all load balancers."""
    for at, one in enumerate(network.load_balancers):
        yield ("load_balancers", at, "name"), "load balancer", one.name


def balancer_references(network: Network) -> Iterator[Problem]:
    """Names that stand for nothing."""
    switches = {one.name for one in network.switches}
    routers = {one.name for one in network.routers}
    ports = {one.name for one in network.ports}
    for at, one in enumerate(network.load_balancers):
        path: Path = ("load_balancers", at)
        if (one.switch is None) == (one.router is None):
            yield Problem(path, "a load balancer needs either a switch or a router")
        elif one.switch is not None and one.switch not in switches:
            hint = nearest(one.switch, switches)
            yield Problem((*path, "switch"), f"unknown switch {one.switch!r}{hint}")
        elif one.router is not None and one.router not in routers:
            yield Problem((*path, "router"), f"unknown router {one.router!r}{nearest(one.router, routers)}")
        for backend_at, backend in enumerate(one.backends):
            place = (*path, "backends", backend_at)
            if (backend.port is None) == (backend.address is None):
                yield Problem(place, "a backend needs either a port or an address")
            elif backend.port is not None and backend.port not in ports:
                yield Problem(
                    (*place, "port"), f"unknown port {backend.port!r}{nearest(backend.port, ports)}"
                )


def balancer_problems(network: Network) -> Iterator[Problem]:
    """All that is wrong with load balancers whose names and references are right."""
    for at, one in enumerate(network.load_balancers):
        path: Path = ("load_balancers", at)
        malformed = [*_malformed(path, one)]
        if malformed:
            yield from malformed
            continue
        for vip_at, vip in enumerate(one.vips):
            yield from _clash((*path, "vips", vip_at), network, one, vip)
            yield from _families(path, network, one, vip)
        yield from repeated(
            "the backend",
            [((*path, "backends", place), backend) for place, backend in _targets(one)],
        )
    taken = [
        (("load_balancers", at, "vips", vip_at), (one.protocol, one.dport, vip))
        for at, one in enumerate(network.load_balancers)
        for vip_at, vip in enumerate(one.vips)
    ]
    yield from repeated("for one protocol and port the virtual IP", taken)


def _malformed(path: Path, one: LoadBalancer) -> Iterator[Problem]:
    if not one.vips:
        yield Problem((*path, "vips"), f"load balancer {one.name} has no virtual IP")
    if not one.backends:
        yield Problem((*path, "backends"), f"load balancer {one.name} has no backend")
    texts = [(("vips", at), vip) for at, vip in enumerate(one.vips)]
    texts += [(("backends", at, "address"), b.address) for at, b in enumerate(one.backends) if b.address]  # type: ignore[misc]
    for place, text in texts:
        try:
            if canonical(text, "address") != text:
                yield Problem(
                    (*path, *place),
                    f"{canonical(text, 'address')!r} was expected as the usual spelling, {text!r} came",
                )
        except ValueError as error:
            message = f"an address such as 10.0.1.100 was expected, {text!r} came ({error})"
            yield Problem((*path, *place), message)


def _targets(one: LoadBalancer) -> Iterator[tuple[int, str]]:
    for at, backend in enumerate(one.backends):
        yield at, f"{_who(backend)} at {backend.dport or one.dport}"


def _who(backend: Backend) -> str:
    return backend.port or backend.address or ""


def _clash(path: Path, network: Network, one: LoadBalancer, vip: str) -> Iterator[Problem]:
    """A virtual IP is nobody's address, and where it is on a subnet, somebody there answers for it."""
    port = next((port.name for port in network.ports if vip in port.addresses), None)
    router = next((router.name for router in network.routers if vip in own_addresses(router)), None)
    nat = next(
        (
            nat.name
            for router in network.routers
            for nat in router.nat
            if nat.external == vip and (nat.kind != "snat" or router.name != one.router)
        ),
        None,
    )
    if port is not None:
        yield Problem(path, f"{vip} is an address of port {port}")
    elif router is not None and router != one.router:
        yield Problem(path, f"{vip} is an address of router {router}")
    elif nat is not None:
        yield Problem(path, f"{vip} is the external address of nat {nat}")
    elif (home := _home(network, vip)) is not None and home not in _beside(network, one):
        yield Problem(path, f"{vip} is on a subnet of switch {home}, where nobody answers for it")


def _home(network: Network, vip: str) -> str | None:
    wanted = ip_address(vip)
    for switch in network.switches:
        if any(wanted in ip_network(subnet) for subnet in switch.subnets):
            return switch.name
    return None


def _beside(network: Network, one: LoadBalancer) -> set[str]:
    if one.switch is not None:
        return {one.switch}
    return {port.switch for router in network.routers if router.name == one.router for port in router.ports}


def _families(path: Path, network: Network, one: LoadBalancer, vip: str) -> Iterator[Problem]:
    """Each virtual IP has backends, and each port that is one has an address of the family."""
    ports = {port.name: port for port in network.ports}
    six, found = ":" in vip, False
    for at, backend in enumerate(one.backends):
        place = (*path, "backends", at)
        own = (backend.address or "",) if backend.port is None else ports[backend.port].addresses
        fitting = [address for address in own if (":" in address) == six]
        found = found or bool(fitting)
        if not fitting and backend.port is not None:
            family = "IPv6" if six else "IPv4"
            yield Problem(place, f"port {backend.port} has no {family} address to serve {vip}")
        for address in fitting[:1]:
            yield from _unreachable(place, network, one, address)
    if not found and all(backend.port is None for backend in one.backends):
        yield Problem((*path, "vips"), f"no backend has an address of the family of {vip}")


def _unreachable(place: Path, network: Network, one: LoadBalancer, address: str) -> Iterator[Problem]:
    """Connections are translated once; and what is not on the balancing switch is reached by a router."""
    externals = {nat.external for router in network.routers for nat in router.nat}
    vips = {vip for other in network.load_balancers for vip in other.vips}
    if address in externals or address in vips:
        yield Problem(place, f"{address} is translated itself: a backend has an address of its own")
    routed = any(port.switch == one.switch for router in network.routers for port in router.ports)
    if one.switch is not None and not routed and _home(network, address) != one.switch:
        yield Problem(place, f"{address} is not on switch {one.switch}, which has no router")
