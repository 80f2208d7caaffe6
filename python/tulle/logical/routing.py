"""Feature: distributed routers.  Next hops are resolved here, not in the data path.

Priorities in the routing table follow the length of the prefix, so the longest one wins; among
equals a known host comes before its subnet, and a subnet before a static route.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Final

from tulle.values import (
    Controller,
    FieldMatch,
    Flow,
    LogicalRouter,
    LogicalSwitch,
    RouterInterface,
    SetField,
    StaticRoute,
    fields,
    flow,
)
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, ROUTING

from .hops import Way, forward, hop_flows, sending, ways
from .match import prefix_field
from .view import Station, View

STATIC, CONNECTED, HOST = 0, 1, 2
CHOOSING: Final = (SetField("reg7", 0),)
ETH_TYPES: Final = {4: ETH_IPV4, 6: ETH_IPV6}
DESTINATIONS: Final = {4: "nw_dst", 6: "ipv6_dst"}


def routing_flows(view: View, router: LogicalRouter) -> Iterator[Flow]:
    """One flow for each connected subnet and static route, and the end of the rest."""
    for port in router.ports:
        for interface in port.addresses:
            subnet = str(_home(interface))
            yield _connected(view, router, subnet)
    for route in router.routes:
        yield from _static(view, router, route)
    for eth_type in ETH_TYPES.values():
        match = fields(metadata=view.datapath(router.name), dl_type=eth_type)
        yield flow(ROUTING, 1, match, (Controller("net-unreachable"),), view.owner("no route", router.name))


def host_flows(view: View, switch: LogicalSwitch, station: Station) -> Iterator[Flow]:
    """The way to a station, in each router that meets its switch."""
    for router, port in view.legs(switch.name):
        if station.router == router.name:
            continue
        homes = [_home(one) for one in port.addresses]
        for address in station.addresses:
            number = ip_address(address)
            for home in homes:
                if number in home:
                    match = destination(view, router, address)
                    actions = forward(view, port, station.mac)
                    yield flow(ROUTING, _priority(address, HOST), match, actions, station.owner)


def next_hops(view: View, router: LogicalRouter) -> tuple[tuple[Way, ...], ...]:
    """For each static route the ways that it leads by."""
    return tuple(ways(view, router, route.hops) for route in router.routes)


def router_interfaces(view: View) -> Iterator[RouterInterface]:
    """Each router port with its numbers on both sides, for whoever answers in the router's name."""
    for router in view.network.routers:
        for port in router.ports:
            yield RouterInterface(
                view.owner("router", router.name),
                view.datapath(router.name),
                view.key(router.name, port.name),
                view.datapath(port.switch),
                view.key(port.switch, port.name),
                port.mac,
                port.addresses,
            )


def destination(view: View, router: LogicalRouter, prefix: str) -> tuple[FieldMatch, ...]:
    """Packets in the router that go to `prefix`."""
    version = 6 if ":" in prefix else 4
    masked = prefix_field(DESTINATIONS[version], prefix)
    return fields(masked, metadata=view.datapath(router.name), dl_type=ETH_TYPES[version])


def _connected(view: View, router: LogicalRouter, subnet: str) -> Flow:
    owner = f"{view.owner('route', router.name)} {subnet}"
    match = destination(view, router, subnet)
    return flow(ROUTING, _priority(subnet, CONNECTED), match, (Controller("host-unreachable"),), owner)


def _static(view: View, router: LogicalRouter, route: StaticRoute) -> Iterator[Flow]:
    owner = f"{view.owner('route', router.name)} {route.prefix}"
    match, priority = destination(view, router, route.prefix), _priority(route.prefix, STATIC)
    found = ways(view, router, route.hops)
    yield flow(ROUTING, priority, match, sending(view, found, CHOOSING), owner)
    # What comes there has no longer prefix that fits, so the same match finds the same route again.
    yield from hop_flows(view, found, priority, match, owner)


def _priority(prefix: str, rank: int) -> int:
    _, slash, length = prefix.partition("/")
    whole = 128 if ":" in prefix else 32
    return 10 + 3 * (int(length) if slash else whole) + rank


@lru_cache(maxsize=65536)
def _home(interface: str) -> IPv4Network | IPv6Network:
    return ip_interface(interface).network
