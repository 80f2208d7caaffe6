"""Rules about static routes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

from tulle.values import LogicalRouter, Network, StaticRoute

from .problem import Path, Problem, repeated

Interface = IPv4Interface | IPv6Interface


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
    try:
        if "%" in route.next_hop or str(ip_address(route.next_hop)) != route.next_hop:
            raise ValueError("not the usual spelling")
    except ValueError as error:
        message = f"an address such as 10.0.1.254 was expected, {route.next_hop!r} came ({error})"
        found.append(Problem((*path, "next_hop"), message))
    return found


def _interfaces(router: LogicalRouter) -> list[Interface] | None:
    """None where an address is none; the rules about addresses tell it."""
    try:
        return [ip_interface(one) for port in router.ports for one in port.addresses]
    except ValueError:
        return None


def _misplaced(
    path: Path, router: LogicalRouter, route: StaticRoute, interfaces: list[Interface] | None
) -> Iterator[Problem]:
    prefix, next_hop = ip_network(route.prefix), ip_address(route.next_hop)
    if interfaces is None:
        return
    if prefix.version != next_hop.version:
        yield Problem((*path, "next_hop"), f"{next_hop} is of another family than {prefix}")
    elif not any(next_hop in interface.network for interface in interfaces):
        yield Problem((*path, "next_hop"), f"{next_hop} is on no subnet of router {router.name}")
    elif any(next_hop == interface.ip for interface in interfaces):
        yield Problem((*path, "next_hop"), f"{next_hop} is router {router.name} itself")
    if any(prefix == interface.network for interface in interfaces):
        yield Problem((*path, "prefix"), f"router {router.name} is connected to {prefix}; no route is needed")
