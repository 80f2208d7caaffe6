"""Where routers send packets: routes with one next hop or several, and policies that are asked before routes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .match import Match

RoutingAction = Literal["allow", "drop", "reroute"]


class NextHop(Struct, frozen=True, omit_defaults=True):
    """An address on a subnet of the router; of several, each gets as large a part of the flows as its weight says."""

    address: str
    weight: int = 1


class StaticRoute(Struct, frozen=True, omit_defaults=True):
    """Packets to `prefix` go to `next_hop`, an address on a subnet of the router, or to one of `next_hops`.

    Exactly one of the two is given.  All packets of a flow go the same way, and so do its answers where the router
    there has the same next hops.
    """

    prefix: str
    next_hop: str = ""
    next_hops: tuple[NextHop, ...] = ()

    @property
    def hops(self) -> tuple[NextHop, ...]:
        """The next hops, whichever way they are given."""
        return self.next_hops or (NextHop(self.next_hop),)


class RoutingPolicy(Struct, frozen=True):
    """What a router does with packets that `match`, before it looks for a route; the highest priority wins.

    `allow` goes on to the routes, `reroute` sends to `next_hops` whatever the routes say.
    """

    name: str
    priority: int
    match: Match
    action: RoutingAction
    next_hops: tuple[NextHop, ...] = ()
