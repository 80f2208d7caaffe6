"""Feature: connections, for the ACLs that speak of them.

Each port has a zone of its own at its node, for both directions, so that what is established at one port
says nothing about another.  A packet that begins a connection, and every later one in the same direction,
is judged by the ACLs; answers and ICMP errors about it pass.  When the ACLs come to refuse a connection
that is established, the packet that they judge marks it, and its answers end too.

The flows are the same for all networks.  What cannot belong to a connection is judged for itself:
multicast and broadcast, neighbour and multicast listener discovery, and what is no IP.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import Action, Commit, FieldMatch, Flow, Resubmit, SetField, Track, fields, flow
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_ICMP6

from .acl_places import FROM_PORT, TO_PORT, Side
from .acl_rule import BLOCKED, LIVE, NEW, ZONE
from .default_deny import LINK_LOCAL_TYPES
from .switching import GROUP_BIT

OWNER: Final = "connection tracking"
# ct_state, ovs-fields(7).
STATE_NEW, ESTABLISHED, RELATED, REPLY, INVALID, TRACKED = 1, 2, 4, 8, 16, 32
IS_BLOCKED: Final = FieldMatch("ct_mark", BLOCKED, BLOCKED)


def tracking_flows() -> Iterator[Flow]:
    """Both directions."""
    for side in (FROM_PORT, TO_PORT):
        yield from _questions(side)
        yield from _answers(side)
        for eth_type in (ETH_IPV4, ETH_IPV6):
            fresh = fields((FieldMatch("reg13", NEW, NEW),), dl_type=eth_type)
            yield flow(side.verdict, 10, fresh, _remembered(side), OWNER)
        yield flow(side.verdict, 0, (), (Resubmit(side.following),), OWNER)


def _questions(side: Side) -> Iterator[Flow]:
    """What connection tracking is asked about."""
    untracked = _judged(side, 0)
    yield flow(side.zone, 0, (), untracked, OWNER)
    yield flow(side.track, 120, (FieldMatch("dl_dst", GROUP_BIT, GROUP_BIT),), untracked, OWNER)
    for kind in LINK_LOCAL_TYPES:
        match = fields(dl_type=ETH_IPV6, nw_proto=PROTO_ICMP6, icmpv6_type=kind)
        yield flow(side.track, 110, match, untracked, OWNER)
    for eth_type in (ETH_IPV4, ETH_IPV6):
        yield flow(side.track, 100, fields(dl_type=eth_type), (Track(side.connection, ZONE),), OWNER)
    yield flow(side.track, 0, (), untracked, OWNER)


def _answers(side: Side) -> Iterator[Flow]:
    """What its answer means."""
    onward = (Resubmit(side.following),)
    yield flow(side.connection, 100, _state(INVALID), (), f"{OWNER} (invalid)")
    yield flow(side.connection, 95, _state(STATE_NEW), _judged(side, NEW), OWNER)
    for belongs in (REPLY, RELATED):
        blocked = fields((*_state(belongs), IS_BLOCKED))
        yield flow(side.connection, 92, blocked, (), f"{OWNER} (refused by an ACL)")
        yield flow(side.connection, 90, _state(belongs), onward, OWNER)
    again = fields((*_state(ESTABLISHED), IS_BLOCKED))
    yield flow(side.connection, 80, again, _judged(side, NEW), OWNER)
    yield flow(side.connection, 70, _state(ESTABLISHED), _judged(side, LIVE), OWNER)
    yield flow(side.connection, 0, (), (), f"{OWNER} (invalid)")


def _judged(side: Side, what: int) -> tuple[Action, ...]:
    return (SetField("reg13", what), Resubmit(side.tiers[0]))


def _remembered(side: Side) -> tuple[Action, ...]:
    return (Commit(ZONE, 0), Resubmit(side.following))


def _state(flag: int) -> tuple[FieldMatch, ...]:
    return (FieldMatch("ct_state", TRACKED | flag, TRACKED | flag),)
