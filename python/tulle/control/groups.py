"""Where the frames of multicast groups go: to the ports that have joined, and to the nodes that have such ports.

A sender's node sends to the nodes with members, and each of these delivers to its own.  Multicast routers, a physical
network and endpoints without an agent want all groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from tulle.values import (
    FLOOD_KEY,
    MULTICAST_KEY,
    ROUTER_GROUP,
    Action,
    FieldMatch,
    Flow,
    LogicalSwitch,
    Membership,
    Resubmit,
    SetField,
    fields,
    flow,
)
from tulle.values.pipeline import (
    ETH_IPV4,
    ETH_IPV6,
    MULTICAST,
    MULTICAST_MEMBERS,
    OUTPUT,
    PROTO_ICMP6,
    PROTO_IGMP,
    TO_PORT_ACL,
    TUNNEL_DELIVERY,
)

NOT_FROM_TUNNEL: Final = FieldMatch("reg10", 0, 1)
REPORTS: Final[tuple[dict[str, Any], ...]] = (
    {"dl_type": ETH_IPV4, "nw_proto": PROTO_IGMP},
    *({"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6, "icmpv6_type": kind} for kind in (131, 132, 143)),
)
"""What hosts say of groups is for routers alone: a host that heard it would say nothing (RFC 4541 section 2.1.1)."""


class Around(Struct, frozen=True):
    """What a node knows of one switch.

    `metadata` as packets there have it; `remotes` are the nodes that are sent to by tunnels, `sent` gives the actions
    for a copy to one of them.  `routers` are ports that want all groups, `beside` those that want all that is sent at
    this node and nothing that comes out of a tunnel.
    """

    node: str
    network: str
    metadata: int
    members: tuple[Any, ...]
    remotes: Collection[str]
    routers: frozenset[str]
    beside: frozenset[str]
    sent: Callable[[str, int], tuple[Action, ...]]


def group_flows(around: Around, switch: LogicalSwitch, memberships: Iterable[Membership]) -> Iterator[Flow]:
    """The flows of a switch that snoops."""
    joined: defaultdict[str, set[str]] = defaultdict(set)
    for one in memberships:
        if one.network == around.network and one.switch == switch.name:
            joined[one.group].add(one.port)
    routers = around.routers | joined.pop(ROUTER_GROUP, set())
    owner = f"multicast {around.network}/{switch.name}"
    at = fields(metadata=around.metadata)
    local = FieldMatch("metadata", around.metadata), NOT_FROM_TUNNEL
    onward = (*_delivered(around, around.beside), Resubmit(MULTICAST_MEMBERS))
    for group, ports in sorted(joined.items()):
        wanted, here = ports | routers, _group(group)
        out = (*_sent(around, wanted), *onward)
        yield flow(MULTICAST, 100, fields((*local, *here)), out, owner)
        yield flow(MULTICAST_MEMBERS, 100, fields((*at, *here)), _delivered(around, wanted), owner)
    for report in REPORTS:
        yield flow(MULTICAST, 200, fields(local, **report), (*_sent(around, routers), *onward), owner)
        yield flow(MULTICAST_MEMBERS, 200, fields(at, **report), _delivered(around, routers), owner)
    passed_on = (Resubmit(MULTICAST_MEMBERS),)
    yield flow(TUNNEL_DELIVERY, 95, fields(at, reg15=MULTICAST_KEY), passed_on, owner)
    yield flow(MULTICAST, 40, at, passed_on, owner)
    nobody = f"group without members {around.network}/{switch.name}"
    if switch.multicast is not None and switch.multicast.flood_unregistered:
        everybody = {one.port for one in around.members} - around.beside
        flood = SetField("reg15", FLOOD_KEY), Resubmit(OUTPUT)
        yield flow(MULTICAST, 50, fields(local), flood, owner)
        yield flow(MULTICAST_MEMBERS, 50, at, _delivered(around, everybody), owner)
        return
    yield flow(MULTICAST, 50, fields(local), (*_sent(around, routers), *onward), owner)
    delivered = _delivered(around, routers)
    yield flow(MULTICAST_MEMBERS, 50, at, delivered, owner if delivered else nobody)


def _group(address: str) -> tuple[FieldMatch, ...]:
    if ":" in address:
        return fields(dl_type=ETH_IPV6, ipv6_dst=address)
    return fields(dl_type=ETH_IPV4, nw_dst=address)


def _sent(around: Around, wanted: Collection[str]) -> tuple[Action, ...]:
    """A copy to each other node that has one of the ports."""
    nodes = {one.node for one in around.members if one.port in wanted} & set(around.remotes)
    return tuple(action for node in sorted(nodes) for action in around.sent(node, MULTICAST_KEY))


def _delivered(around: Around, wanted: Collection[str]) -> tuple[Action, ...]:
    """A copy to each of the ports that is here, by way of its ACLs."""
    made: list[Action] = []
    for one in around.members:
        if one.node == around.node and one.port in wanted:
            made += [SetField("reg15", one.key), Resubmit(TO_PORT_ACL)]
    return tuple(made)
