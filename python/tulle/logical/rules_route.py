"""Rules about static routes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final

from tulle.values import LogicalRouter, Network, NextHop, StaticRoute

from .hops import shares
from .problem import Path, Problem, repeated

Interface = IPv4Interface | IPv6Interface
WEIGHT_MAX: Final = 100
HOPS_MAX: Final = 32
SHARES_MAX: Final = 512


def route_problems(network: Network) -> Iterator[Problem]:
    """All that is wrong with the static routes of a network."""
    for at, router in enumerate(network.routers):
        paths: list[Path] = [("routers", at, "routes", route_at) for route_at in range(len(router.routes))]
        interfaces = _interfaces(router)
        for path, route in zip(paths, router.routes, strict=True):
            yield from _malformed(path, route) or _misplaced(path, router, route, interfaces)
        prefixes = [
            ((*path, "prefix"), route.prefix) for path, route in zip(paths, router.routes, strict=True)
        ]
        yield from repeated("the prefix", prefixes)


def _malformed(path: Path, route: StaticRoute) -> list[Problem]:
    found = []
    try:
        if "/" not in route.prefix or str(ip_network(route.prefix)) != route.prefix:
            raise ValueError("not the usual spelling")
    except ValueError as error:
        message = f"a prefix such as 10.9.0.0/16 was expected, {route.prefix!r} came ({error})"
        found.append(Problem((*path, "prefix"), message))
    if bool(route.next_hop) == bool(route.next_hops):
        found.append(Problem(path, f"route {route.prefix}: one of next_hop and next_hops was expected"))
    return [*found, *malformed_hops(path, route.hops)]


def malformed_hops(path: Path, hops: tuple[NextHop, ...]) -> Iterator[Problem]:
    """What is wrong with next hops by themselves."""
    for place, hop in _placed(path, hops):
        try:
            if "%" in hop.address or str(ip_address(hop.address)) != hop.address:
                raise ValueError("not the usual spelling")
        except ValueError as error:
            message = f"an address such as 10.0.1.254 was expected, {hop.address!r} came ({error})"
            yield Problem(place, message)
        if not 1 <= hop.weight <= WEIGHT_MAX:
            message = (
                f"next hop {hop.address}: a weight from 1 to {WEIGHT_MAX} was expected, {hop.weight} came"
            )
            yield Problem(place, message)
    yield from repeated("the next hop", [(place, hop.address) for place, hop in _placed(path, hops)])
    if len(hops) > HOPS_MAX:
        yield Problem((*path, "next_hops"), f"at most {HOPS_MAX} next hops were expected, {len(hops)} came")
    elif sum(shares(hops)) > SHARES_MAX:
        message = f"weights that together come to {SHARES_MAX} at most, in lowest terms, were expected"
        yield Problem((*path, "next_hops"), f"{message}; {sum(shares(hops))} came")


def misplaced_hops(path: Path, router: LogicalRouter, hops: tuple[NextHop, ...]) -> Iterator[Problem]:
    """Next hops, right by themselves, that the router does not get to."""
    interfaces = _interfaces(router)
    for place, hop in _placed(path, hops):
        if interfaces is not None:
            yield from _unreached(place, router, ip_address(hop.address), interfaces)


def _unreached(
    path: Path, router: LogicalRouter, address: IPv4Address | IPv6Address, interfaces: list[Interface]
) -> Iterator[Problem]:
    if not any(address in interface.network for interface in interfaces):
        yield Problem(path, f"{address} is on no subnet of router {router.name}")
    elif any(address == interface.ip for interface in interfaces):
        yield Problem(path, f"{address} is router {router.name} itself")


def _interfaces(router: LogicalRouter) -> list[Interface] | None:
    """None where an address is none; the rules about addresses tell it."""
    try:
        return [ip_interface(one) for port in router.ports for one in port.addresses]
    except ValueError:
        return None


def _misplaced(
    path: Path, router: LogicalRouter, route: StaticRoute, interfaces: list[Interface] | None
) -> Iterator[Problem]:
    prefix = ip_network(route.prefix)
    if interfaces is None:
        return
    for place, hop in _placed(path, route.hops):
        address = ip_address(hop.address)
        if address.version != prefix.version:
            yield Problem(place, f"{address} is of another family than {prefix}")
        else:
            yield from _unreached(place, router, address, interfaces)
    if any(prefix == interface.network for interface in interfaces):
        yield Problem((*path, "prefix"), f"router {router.name} is connected to {prefix}; no route is needed")


def _placed(path: Path, hops: tuple[NextHop, ...]) -> Iterator[tuple[Path, NextHop]]:
    """Each next hop with where it stands; a single one stands by itself."""
    for at, hop in enumerate(hops):
        yield (*path, "next_hops", at, "address") if len(hops) > 1 else (*path, "next_hop"), hop
