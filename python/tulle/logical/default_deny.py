"""Feature: a network that drops the IP packets of which no ACL speaks.

What a switch cannot do without stays: ARP and what else is no IP, neighbour discovery (RFC 4861) and
multicast listener discovery (RFC 2710, RFC 3810).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import Commit, FieldMatch, Flow, Resubmit, fields, flow
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_ICMP6

from .acl_places import Side
from .acl_rule import BLOCKED, LIVE, ZONE
from .view import View

LINK_LOCAL_TYPES: Final = (130, 131, 132, 133, 134, 135, 136, 137, 143)


def default_flows(view: View, side: Side) -> Iterator[Flow]:
    """The last table of a direction, for each switch."""
    if side.name not in view.network.default_deny:
        return
    for switch in view.network.switches:
        at = fields(metadata=view.datapath(switch.name))
        owner = view.owner("default", switch.name)
        for kind in LINK_LOCAL_TYPES:
            match = fields(at, dl_type=ETH_IPV6, nw_proto=PROTO_ICMP6, icmpv6_type=kind)
            yield flow(side.default, 20, match, (Resubmit(side.verdict),), owner)
        for eth_type in (ETH_IPV4, ETH_IPV6):
            fresh = fields((*at, FieldMatch("reg13", 0, LIVE)), dl_type=eth_type)
            yield flow(side.default, 10, fresh, (), owner)
            live = fields((*at, FieldMatch("reg13", LIVE, LIVE)), dl_type=eth_type)
            yield flow(side.default, 10, live, (Commit(ZONE, BLOCKED),), owner)
        yield flow(side.default, 0, at, (Resubmit(side.verdict),), owner)
