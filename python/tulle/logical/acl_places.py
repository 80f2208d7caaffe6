"""Where ACLs act, and which switches and ports need more than one table of them.

A *plain* place has its ACLs in one table, and its packets pass nothing else.  A *managed* one has tiers,
a *tracked* one, which is managed too, asks connection tracking first: it is under an ACL that speaks of
connections.  A place is a switch, or a port of a switch where only some ports need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import Acl, Flow, Network, Resubmit, SetField, fields, flow, pipeline

from .references import References
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


class Places:
    """What the ACLs of one network make of its switches and ports."""

    def __init__(self, network: Network) -> None:
        self.references = References(network)
        layered = [acl for acl in network.acls if acl.tier or acl.action == "pass"]
        stateful = [acl for acl in network.acls if acl.action == "allow-related"]
        self._tracked_switches, self._tracked_ports = self._of(stateful)
        switches, ports = self._of([*layered, *stateful])
        self._switches, self._ports = switches, {one for one in ports if one[0] not in switches}

    def is_managed(self, switch: str, port: str | None = None) -> bool:
        """Whether the switch, or this port of it, has its ACLs in tiers."""
        return switch in self._switches or (switch, port) in self._ports

    def has_managed(self, switch: str) -> bool:
        """Whether anything at the switch has its ACLs in tiers."""
        return switch in self._switches or any(at == switch for at, _ in self._ports)

    def has_plain(self, switch: str) -> bool:
        """Whether packets of the switch may pass with one table."""
        return switch not in self._switches

    def entries(self, view: View, side: Side) -> Iterator[Flow]:
        """Flows that send packets of managed places to their tiers, or to connection tracking first."""
        for switch in sorted(self._switches):
            yield _entry(view, side, switch, None, tracked=switch in self._tracked_switches)
        for switch, port in sorted(self._ports):
            yield _entry(view, side, switch, port, tracked=(switch, port) in self._tracked_ports)
        for switch, port in sorted(self._tracked_ports):
            if switch in self._switches and switch not in self._tracked_switches:
                yield _entry(view, side, switch, port, tracked=True)

    def _of(self, acls: list[Acl]) -> tuple[set[str], set[tuple[str, str]]]:
        switches = {acl.switch for acl in acls if acl.switch is not None}
        ports = {
            (switch, port)
            for acl in acls
            for switch, names in (self.references.ports_of(acl) or {}).items()
            for port in names
        }
        return switches, ports


def _entry(view: View, side: Side, switch: str, port: str | None, *, tracked: bool) -> Flow:
    match = fields(metadata=view.datapath(switch))
    if port is not None:
        match = fields(match, **{side.register: view.key(switch, port)})
    following = (Resubmit(side.zone),) if tracked else (SetField("reg13", 0), Resubmit(side.tiers[0]))
    priority = ENTRY_PRIORITY + (port is not None)
    return flow(side.first, priority, match, following, view.owner("switch", switch))
