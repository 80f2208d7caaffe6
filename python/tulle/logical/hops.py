"""Several ways to one place: who gets how many parts of the flows, and the flows that send them there.

A packet is given one of as many places as the weights come to, by a hash of its addresses and port numbers that is
the same for its answer.  So a flow stays where it is while the next hops are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from ipaddress import ip_address, ip_interface
from math import gcd
from typing import Final

from msgspec import Struct

from tulle.values import (
    Action,
    Choose,
    Controller,
    DecTtl,
    FieldMatch,
    Flow,
    LogicalPort,
    LogicalRouter,
    NextHop,
    Resubmit,
    RouterPort,
    SetField,
    Slice,
    fields,
    flow,
)
from tulle.values.pipeline import ROUTE_HOP, SWITCH_LOOKUP

from .view import View

PLACE: Final = Slice("reg7", 0, 16)
BASIS: Final = 2
"""Other than those of load balancers, which would give all that takes one way to the same backends."""
Matched = tuple[FieldMatch, ...]


class Way(Struct, frozen=True):
    """A next hop that somebody has the address of: by which port of the router, to which MAC address."""

    hop: NextHop
    port: RouterPort
    mac: str


def shares(hops: Iterable[NextHop]) -> tuple[int, ...]:
    """How many parts of the flows each next hop gets: its weight in lowest terms."""
    weights = [hop.weight for hop in hops]
    common = reduce(gcd, weights, 0) or 1
    return tuple(weight // common for weight in weights)


def ways(view: View, router: LogicalRouter, hops: Iterable[NextHop]) -> tuple[Way, ...]:
    """The next hops that packets can go to: whose address somebody has.

    A port that is plugged in nowhere is left out where there is another one.
    """
    found = [(one, is_there) for hop in hops for one, is_there in _way(view, router, hop)]
    bound = tuple(one for one, is_there in found if is_there)
    return bound or tuple(one for one, _ in found)


def sending(view: View, found: tuple[Way, ...], choosing: tuple[Action, ...] = ()) -> tuple[Action, ...]:
    """To the only way, or to one of several, after `choosing`; the sender is told where there is none."""
    if not found:
        return (Controller("host-unreachable"),)
    if len(found) == 1:
        return forward(view, found[0].port, found[0].mac)
    return (*choosing, Choose(PLACE, sum(_parts(found)), "connection", BASIS), Resubmit(ROUTE_HOP))


def hop_flows(
    view: View, found: tuple[Way, ...], priority: int, match: Matched, owner: str, number: int = 0
) -> Iterator[Flow]:
    """Where packets of each place go; `number` tells those of several choices of a router apart."""
    if len(found) < 2:
        return
    place = 0
    for way, parts in zip(found, _parts(found), strict=True):
        for _ in range(parts):
            here = fields(match, reg7=number << PLACE.bits | place)
            actions = forward(view, way.port, way.mac)
            yield flow(ROUTE_HOP, priority, here, actions, f"{owner} via {way.hop.address}")
            place += 1


def is_bound(port: LogicalPort) -> bool:
    """Whether a port is plugged in somewhere; a child is taken to be, for that is its parent's concern."""
    return port.node is not None or port.parent is not None


def forward(view: View, port: RouterPort, mac: str) -> tuple[Action, ...]:
    """Out of a router by a port, to a MAC address there."""
    rewrite = (DecTtl(), SetField("dl_src", port.mac), SetField("dl_dst", mac))
    return (*rewrite, *back_to_switch(view, port))


def back_to_switch(view: View, port: RouterPort) -> tuple[Action, ...]:
    """Enter the switch as if the packet came in at the router's port there."""
    return (
        SetField("metadata", view.datapath(port.switch)),
        SetField("reg14", view.key(port.switch, port.name)),
        SetField("reg10", 0),
        Resubmit(SWITCH_LOOKUP),
    )


def _parts(found: tuple[Way, ...]) -> tuple[int, ...]:
    return shares(way.hop for way in found)


def _way(view: View, router: LogicalRouter, hop: NextHop) -> Iterator[tuple[Way, bool]]:
    """The way to a neighbour of the router, if somebody there has the address, and whether it is plugged in."""
    wanted = ip_address(hop.address)
    for port in router.ports:
        if any(wanted in ip_interface(one).network for one in port.addresses):
            for station in view.stations(port.switch):
                if hop.address in station.addresses and station.router != router.name:
                    yield Way(hop, port, station.mac), station.port is None or is_bound(station.port)
                    return
