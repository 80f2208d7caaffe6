"""Feature: ACLs, from a port into its switch and from the switch to a port.

The highest priority of the lowest tier wins, no match means allow, or drop where a network denies by
default.  Where two ACLs of one priority come down to the same flow, drop wins; `rules` refuses a network
in which they contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from msgspec.structs import replace

from tulle.values import Acl, Clause, Flow, Resubmit, fields, flow

from .acl_places import FROM_PORT, SIDES, TO_PORT, Places, Side, is_tracked
from .acl_rule import RuleWriter, conjunction_names
from .default_deny import default_flows
from .tracking import tracking_flows
from .view import View

CONJUNCTION_MAX = 0xFFFF_FFFF


def acl_flows(view: View) -> Iterator[Flow]:
    """The flows of all ACLs of the network, and of what they need, each key once."""
    places = Places(view.network)
    yield from _joined(_rule_flows(view, places))
    for side in (FROM_PORT, TO_PORT):
        yield from places.entries(view, side)
        yield from _ends(view, places, side)
        yield from default_flows(view, side)
    if is_tracked(view.network):
        yield from tracking_flows()
    elif any(places.has_managed(switch.name) for switch in view.network.switches):
        yield from _verdicts()


def _rule_flows(view: View, places: Places) -> Iterator[Flow]:
    acls = sorted(view.network.acls, key=lambda one: (one.action not in ("drop", "reject"), one.name))
    writer = RuleWriter(view, places.references, _numbers(conjunction_names(acls)))
    onward = {name: _following_tiers(view, places, side) for name, side in SIDES.items()}
    for acl in acls:
        side = SIDES[acl.direction]
        for switch, ports, is_plain in _where(places, acl):
            table = side.first if is_plain else side.tiers[acl.tier]
            following = onward[acl.direction][switch][acl.tier]
            yield from writer.flows(acl, side, table, switch, ports, following)


def _where(places: Places, acl: Acl) -> Iterator[tuple[str, tuple[str, ...] | None, bool]]:
    """(switch, ports or None for all, whether the place is plain)."""
    at = places.references.ports_of(acl)
    if at is None:
        assert acl.switch is not None, f"ACL {acl.name} names no place"
        if places.has_plain(acl.switch):
            yield acl.switch, None, True
        if places.has_managed(acl.switch):
            yield acl.switch, None, False
        return
    for switch, ports in at.items():
        for is_plain in (True, False):
            chosen = tuple(port for port in ports if places.is_managed(switch, port) != is_plain)
            if chosen:
                yield switch, chosen, is_plain


def _following_tiers(view: View, places: Places, side: Side) -> dict[str, tuple[int, ...]]:
    """For each switch and tier: the table of the next tier that has ACLs there, or what comes after all."""
    used: dict[str, set[int]] = {switch.name: set() for switch in view.network.switches}
    for acl in view.network.acls:
        for switch in places.references.switches_of(acl) if acl.direction == side.name else ():
            used[switch].add(acl.tier)
    last = side.default if side.name in view.network.default_deny else side.verdict
    return {
        switch: tuple(
            min((side.tiers[one] for one in tiers if one > tier), default=last)
            for tier in range(len(side.tiers))
        )
        for switch, tiers in used.items()
    }


def _ends(view: View, places: Places, side: Side) -> Iterator[Flow]:
    """Where a packet goes of which no ACL of a tier speaks."""
    following = _following_tiers(view, places, side)
    for switch in view.network.switches:
        if not places.has_managed(switch.name):
            continue
        match = fields(metadata=view.datapath(switch.name))
        owner = view.owner("switch", switch.name)
        reached, table = {side.tiers[0]}, following[switch.name][0]
        while table in side.tiers:
            reached.add(table)
            table = following[switch.name][side.tiers.index(table)]
        for tier, at in enumerate(side.tiers):
            if at in reached:
                yield flow(at, 0, match, (Resubmit(following[switch.name][tier]),), owner)


def _verdicts() -> Iterator[Flow]:
    """Without connections there is nothing to remember."""
    for side in (FROM_PORT, TO_PORT):
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
