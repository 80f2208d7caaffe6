"""Feature: ACLs, from a port into its switch and from the switch to a port.

The highest priority of the lowest tier wins, no match means allow, or drop where a network denies by
default.  Where two ACLs of one priority come down to the same flow, drop wins; `rules` refuses a network
in which they contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from msgspec.structs import replace

from tulle.values import Clause, Flow, Network, Resubmit, fields, flow

from .acl_places import SIDES, Side, entry_flows, is_managed, is_tracked
from .acl_rule import RuleWriter, conjunction_names
from .default_deny import default_flows
from .references import References
from .tracking import tracking_flows
from .view import View

CONJUNCTION_MAX = 0xFFFF_FFFF


def acl_flows(view: View) -> Iterator[Flow]:
    """The flows of all ACLs of the network, and of what they need, each key once."""
    references = References(view.network)
    yield from _joined(_rule_flows(view, references))
    for side in SIDES.values():
        yield from entry_flows(view, side)
        yield from _ends(view, references, side)
        yield from default_flows(view, side)
    if is_tracked(view.network):
        yield from tracking_flows()
    else:
        yield from _verdicts(view.network)


def _rule_flows(view: View, references: References) -> Iterator[Flow]:
    acls = sorted(view.network.acls, key=lambda one: (one.action not in ("drop", "reject"), one.name))
    writer = RuleWriter(view, references, _numbers(conjunction_names(acls)))
    onward = {name: _following_tiers(view, references, side) for name, side in SIDES.items()}
    managed = is_managed(view.network)
    for acl in acls:
        side = SIDES[acl.direction]
        table = side.tiers[acl.tier] if managed else side.first
        ports = references.ports_of(acl)
        for switch in references.switches_of(acl):
            following = onward[acl.direction][switch][acl.tier]
            yield from writer.flows(acl, side, table, switch, ports and ports[switch], following)


def _following_tiers(view: View, references: References, side: Side) -> dict[str, tuple[int, ...]]:
    """For each switch and tier: the table of the next tier that has ACLs there, or what comes after all."""
    used: dict[str, set[int]] = {switch.name: set() for switch in view.network.switches}
    for acl in view.network.acls:
        for switch in references.switches_of(acl) if acl.direction == side.name else ():
            used[switch].add(acl.tier)
    last = side.default if side.name in view.network.default_deny else side.verdict
    return {
        switch: tuple(
            min((side.tiers[one] for one in tiers if one > tier), default=last)
            for tier in range(len(side.tiers))
        )
        for switch, tiers in used.items()
    }


def _ends(view: View, references: References, side: Side) -> Iterator[Flow]:
    """Where a packet goes of which no ACL of a tier speaks."""
    following = _following_tiers(view, references, side)
    for switch in view.network.switches if is_managed(view.network) else ():
        match = fields(metadata=view.datapath(switch.name))
        owner = view.owner("switch", switch.name)
        table = side.tiers[0]
        while table in side.tiers:
            onward = following[switch.name][side.tiers.index(table)]
            yield flow(table, 0, match, (Resubmit(onward),), owner)
            table = onward


def _verdicts(network: Network) -> Iterator[Flow]:
    """Without connections there is nothing to remember."""
    for side in SIDES.values() if is_managed(network) or network.default_deny else ():
        yield flow(side.verdict, 0, (), (Resubmit(side.following),), "connection tracking")


def _joined(found: Iterable[Flow]) -> Iterator[Flow]:
    """Each key once: the first flow, or all conditions that hold for the same packets."""
    made: dict[object, Flow] = {}
    for one in found:
        known = made.get(one.key)
        if known is None:
            made[one.key] = one
        elif _is_condition(known) and _is_condition(one):
            actions = dict.fromkeys((*known.actions, *one.actions))
            made[one.key] = replace(known, actions=tuple(actions))
    return iter(made.values())


def _is_condition(one: Flow) -> bool:
    return any(isinstance(action, Clause) for action in one.actions)


def _numbers(names: Iterable[str]) -> dict[str, int]:
    """A number for each name, which stays when others come and go, unless two names meet."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(names):
        number = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big")
        while number == 0 or number in taken:
            number = (number + 1) % CONJUNCTION_MAX
        taken.add(number)
        found[name] = number
    return found
