"""Feature: a network that drops the IP packets of which no ACL speaks.

What a switch cannot do without stays: ARP and what else is no IP, neighbour discovery (RFC 4861) that no router
has forwarded, and multicast listener discovery (RFC 2710, RFC 3810) to groups.  Redirects are left out: the
routers here send none.  What a workload asks the services of its own network is asked of nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import Commit, FieldMatch, Flow, Resubmit, fields, flow
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_ICMP6

from .acl_places import Side
from .acl_rule import BLOCKED, LIVE, ZONE
from .match import prefix_field
from .service_flows import questions
from .view import View

LISTENER_TYPES: Final = (130, 131, 132, 143)
NEIGHBOUR_TYPES: Final = (133, 134, 135, 136)
REDIRECT: Final = 137
LINK_LOCAL_TYPES: Final = (*LISTENER_TYPES, *NEIGHBOUR_TYPES, REDIRECT)


def default_flows(view: View, switch: str, side: Side) -> Iterator[Flow]:
    """The last table of a direction, at a switch."""
    if side.name not in view.network.default_deny:
        return
    at = fields(metadata=view.datapath(switch))
    owner = view.owner("default", switch)
    own = own_questions(view, switch) if side.name == "from-port" else ()
    for needed in (*_needed(), *own):
        yield flow(side.default, 20, fields((*at, *needed)), (Resubmit(side.verdict),), owner)
    for eth_type in (ETH_IPV4, ETH_IPV6):
        fresh = fields((*at, FieldMatch("reg13", 0, LIVE)), dl_type=eth_type)
        yield flow(side.default, 10, fresh, (), owner)
        live = fields((*at, FieldMatch("reg13", LIVE, LIVE)), dl_type=eth_type)
        yield flow(side.default, 10, live, (Commit(ZONE, BLOCKED),), owner)
    yield flow(side.default, 0, at, (Resubmit(side.verdict),), owner)


def own_questions(view: View, name: str) -> tuple[tuple[FieldMatch, ...], ...]:
    """What workloads at a switch ask the services of their own network, where that would be dropped by default."""
    if "from-port" not in view.network.default_deny:
        return ()
    switches = (one for one in view.network.switches if one.name == name)
    return tuple(one.match for switch in switches for one in questions(view.network, switch))


def _needed() -> Iterator[tuple[FieldMatch, ...]]:
    """A hop limit of 255 says that the packet is from this link (RFC 4861 section 6.1, 7.1)."""
    for kind in NEIGHBOUR_TYPES:
        near = fields(dl_type=ETH_IPV6, nw_proto=PROTO_ICMP6, icmpv6_type=kind, icmpv6_code=0)
        yield fields(near, nw_ttl=255)
    for kind in LISTENER_TYPES:
        match = fields(dl_type=ETH_IPV6, nw_proto=PROTO_ICMP6, icmpv6_type=kind)
        yield fields((*match, *prefix_field("ipv6_dst", "ff00::/8")))
