"""The tables that ACLs are in, by direction.

In a *plain* network each direction is one table, and packets pass nothing else.  A *managed* one has tiers;
a *tracked* one, which is managed too, asks connection tracking first: some ACL there speaks of connections,
and then those of all its ports are known, since their answers come back anywhere.
"""

from __future__ import annotations

from typing import Final

from tulle.values import Flow, Network, Resubmit, SetField, fields, flow, pipeline

from .view import View

TIERS: Final = 4
ENTRY_PRIORITY: Final = 65000


class Side:
    """The tables of one direction."""

    def __init__(self, name: str, register: str, first: int, following: int, zone: int) -> None:
        self.name, self.register = name, register
        self.first, self.following = first, following
        self.zone, self.track, self.connection = zone, zone + 1, zone + 2
        self.tiers = tuple(range(zone + 3, zone + 3 + TIERS))
        self.default, self.verdict = zone + 7, zone + 8
        self.audit_bit = 1 if name == "from-port" else 2


FROM_PORT: Final = Side(
    "from-port", "reg14", pipeline.FROM_PORT_ACL, pipeline.RESPONDERS, pipeline.FROM_PORT_ZONE
)
TO_PORT: Final = Side("to-port", "reg15", pipeline.TO_PORT_ACL, pipeline.DELIVER, pipeline.TO_PORT_ZONE)
SIDES: Final = {side.name: side for side in (FROM_PORT, TO_PORT)}


def is_tracked(network: Network) -> bool:
    """Whether any ACL speaks of connections."""
    return any(acl.action == "allow-related" for acl in network.acls)


def is_managed(network: Network) -> bool:
    """Whether the ACLs need more than one table."""
    return any(acl.tier or acl.action in ("allow-related", "pass") for acl in network.acls)


def entry_flow(view: View, switch: str, side: Side, *, tracked: bool) -> Flow:
    """What sends the packets of a managed network to its tiers, or to connection tracking first."""
    following: tuple[SetField | Resubmit, ...] = (SetField("reg13", 0), Resubmit(side.tiers[0]))
    if tracked:
        following = (Resubmit(side.zone),)
    match = fields(metadata=view.datapath(switch))
    return flow(side.first, ENTRY_PRIORITY, match, following, view.owner("switch", switch))
