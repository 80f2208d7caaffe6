"""Feature: translated connections: where packets ask for theirs, and what is common to NAT and load balancing.

Routers are distributed, and the two directions of a connection pass different nodes.  What they have in common is
the port at the other end of the translation: a client of a virtual IP, whoever is outside of a NAT.  So translations
are remembered in a zone of that port, at its node: on the way out of the port after its from-port ACLs, on the
way into it before its to-port ACLs.  Each port and its ACLs see the addresses that its workload sees.

On the way out a packet asks once, at the switch that balances or the router that translates; `reg8` says that it
may.  Packets out of tunnels never ask: they did where they came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tulle.values import Flow, Network, Resubmit, SetField, Track, Untrack, fields, flow
from tulle.values.pipeline import (
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMP6,
    RETURN,
    RETURN_TRANSLATION,
    RETURNED,
    ROUTER_INPUT,
    TO_PORT_ACL,
    TRANSLATED,
    TRANSLATION,
)

from .balancing import balancer_flows
from .nat import nat_flows
from .translating import OWNER, ZONE
from .view import View

# RFC 792, RFC 4443 section 2.1: what quotes a packet that may have been translated.
ICMP_ERRORS: Final = (3, 11, 12)
ICMP6_ERRORS: Final = (1, 2, 3, 4)


def is_translated(network: Network) -> bool:
    """Whether a network has anything to translate; packets of others pass none of this."""
    return bool(network.load_balancers) or any(router.nat for router in network.routers)


def translation_flows(view: View) -> Iterator[Flow]:
    """All of a network, each key once."""
    if not is_translated(view.network):
        return
    made: dict[object, Flow] = {}
    for one in (*nat_flows(view), *balancer_flows(view), *_onward(view)):
        made.setdefault(one.key, one)
    yield from made.values()


def _onward(view: View) -> Iterator[Flow]:
    """What becomes of packets that are not translated, and of those that are."""
    yield flow(TRANSLATION, 0, (), (Resubmit(TRANSLATED),), OWNER)
    yield flow(RETURN, 0, (), (Resubmit(TO_PORT_ACL),), OWNER)
    for table in (RETURN_TRANSLATION, RETURNED):
        yield flow(table, 0, (), (Untrack(), Resubmit(TO_PORT_ACL)), OWNER)
    for router in view.network.routers:
        back = (Untrack(), SetField("reg8", 0), Resubmit(ROUTER_INPUT))
        yield flow(TRANSLATED, 0, fields(metadata=view.datapath(router.name)), back, OWNER)
    for kind in _errors():
        yield flow(RETURN, 60, fields(**kind), (Track(RETURN_TRANSLATION, ZONE, nat=True),), OWNER)


def _errors() -> Iterator[dict[str, Any]]:
    for number in ICMP_ERRORS:
        yield {"dl_type": ETH_IPV4, "nw_proto": PROTO_ICMP, "icmp_type": number}
    for number in ICMP6_ERRORS:
        yield {"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6, "icmpv6_type": number}
