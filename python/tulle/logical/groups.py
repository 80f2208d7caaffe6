"""Feature: multicast groups that only those get who have asked for them (RFC 4541).

What is said of memberships goes to the agent, which sends on what others are to hear.  Which ports and nodes have
members depends on place and is no part of this; what every switch has is flooded to everybody without.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tulle.values import (
    FLOOD_KEY,
    Controller,
    FieldMatch,
    Flow,
    LogicalSwitch,
    Resubmit,
    SetField,
    fields,
    flow,
)
from tulle.values.pipeline import (
    ETH_IPV4,
    ETH_IPV6,
    MEMBERSHIP,
    MULTICAST,
    OUTPUT,
    PROTO_ICMP6,
    PROTO_IGMP,
    SWITCH_LOOKUP,
)

from .match import prefix_field
from .switching import GROUP_BIT
from .view import View

SAID, EVERYBODY, SOME = 97, 96, 95
SAID_PER_S: Final = 200
LISTENER_TYPES: Final = (130, 131, 132, 143)
"""MLD (RFC 2710, RFC 3810): query, report, done, report of version 2."""
LINK_LOCAL: Final[tuple[tuple[int, str, str], ...]] = (
    (ETH_IPV4, "nw_dst", "224.0.0.0/24"),
    (ETH_IPV6, "ipv6_dst", "ff01::/16"),
    (ETH_IPV6, "ipv6_dst", "ff02::/16"),
)
"""Groups that hosts are in without saying so (RFC 4541 sections 2.1.2 and 3)."""
GROUPS: Final = ((ETH_IPV4, "nw_dst", "224.0.0.0/4"), (ETH_IPV6, "ipv6_dst", "ff00::/8"))


def group_flows(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """What a switch that snoops does with groups."""
    if switch.multicast is None:
        return
    owner = view.owner("multicast", switch.name)
    told = (Controller(MEMBERSHIP, SAID_PER_S),)
    at = fields(metadata=view.datapath(switch.name))
    for said in membership_matches():
        yield flow(SWITCH_LOOKUP, SAID, fields(at, **said), told, owner)
    group = FieldMatch("dl_dst", GROUP_BIT, GROUP_BIT)
    everybody = SetField("reg15", FLOOD_KEY), Resubmit(OUTPUT)
    for eth_type, field, prefix in LINK_LOCAL:
        match = fields((*at, group, *prefix_field(field, prefix)), dl_type=eth_type)
        yield flow(SWITCH_LOOKUP, EVERYBODY, match, everybody, owner)
    for eth_type, field, prefix in GROUPS:
        match = fields((*at, group, *prefix_field(field, prefix)), dl_type=eth_type)
        yield flow(SWITCH_LOOKUP, SOME, match, (Resubmit(MULTICAST),), owner)


def membership_matches() -> Iterator[dict[str, Any]]:
    """What says something of memberships."""
    yield {"dl_type": ETH_IPV4, "nw_proto": PROTO_IGMP}
    for kind in LISTENER_TYPES:
        yield {"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6, "icmpv6_type": kind}
