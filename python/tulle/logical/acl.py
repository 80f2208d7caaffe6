"""Feature: ACLs, from a port into its switch and from the switch to a port.

The highest priority of the lowest tier wins, no match means allow, or drop where a network denies by
default.  Where two ACLs of one priority come down to the same flow, drop wins; `rules` refuses a network
in which they contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

from msgspec.structs import replace

from tulle.values import Acl, Clause, Flow, Network, Resubmit, fields, flow

from .acl_places import SIDES, Side, entry_flow, is_managed, is_tracked
from .acl_rule import RuleWriter, conjunction_names
from .default_deny import default_flows, own_questions
from .references import References
from .tracking import tracking_flows
from .view import View

CONJUNCTION_MAX = 0xFFFF_FFFF


class Policies:
    """The ACLs of a network by switch, and what all of them share; made anew when any of it changes."""

    def __init__(self, network: Network) -> None:
        self.references = References(network)
        self.managed, self.tracked = is_managed(network), is_tracked(network)
        self.at: dict[str, list[Acl]] = {switch.name: [] for switch in network.switches}
        acls = sorted(network.acls, key=lambda one: (one.action not in ("drop", "reject"), one.name))
        for acl in acls:
            for switch in self.references.switches_of(acl):
                self.at[switch].append(acl)
        self.numbers = _numbers(conjunction_names(acls))

    def ports(self, acl: Acl, switch: str) -> tuple[str, ...] | None:
        """The ports of a switch that an ACL is at; None where it is at the whole switch."""
        found = self.references.ports_of(acl)
        return None if found is None else found[switch]

    def inputs(self, view: View, switch: str) -> tuple[object, ...]:
        """All that the flows of the ACLs at a switch follow from."""
        acls = self.at[switch]
        own = tuple((*self._meaning(view, acl, switch), acl) for acl in acls)
        facts = self.managed, self.tracked, view.network.default_deny, own_questions(view, switch)
        return (view.datapath(switch), *facts, own)

    def is_plainly(self, before: Policies, switch: str) -> bool:
        """Whether the ACLs at a switch are those of `before` and speak of no port or set, which may be others."""
        own = self.at[switch]
        same = (self.managed, self.tracked) == (before.managed, before.tracked)
        return same and own == before.at.get(switch) and all(map(_is_plain, own))

    def _meaning(self, view: View, acl: Acl, switch: str) -> tuple[object, ...]:
        """What an ACL says by reference."""
        if _is_plain(acl):
            return ()
        ports = self.ports(acl, switch)
        keys = None if ports is None else tuple(view.key(switch, port) for port in ports)
        ends = (text and self.references.addresses(text) for text in (acl.match.src, acl.match.dst))
        numbers = tuple(self.numbers[name] for name in conjunction_names((acl,)))
        return (keys, *ends, numbers)


def _is_plain(acl: Acl) -> bool:
    return acl.switch is not None and acl.match.src is None and acl.match.dst is None


def acl_flows(view: View, policies: Policies, switch: str) -> Iterator[Flow]:
    """The flows of all ACLs at a switch, and of what they need, each key once."""
    yield from _joined(_rule_flows(view, policies, switch))
    for side in SIDES.values():
        if policies.managed:
            yield entry_flow(view, switch, side, tracked=policies.tracked)
            yield from _ends(view, policies, switch, side)
        yield from default_flows(view, switch, side)


def shared_acl_flows(network: Network) -> Iterator[Flow]:
    """What the ACLs of all switches need together."""
    if is_tracked(network):
        yield from tracking_flows()
    else:
        yield from _verdicts(network)


def _rule_flows(view: View, policies: Policies, switch: str) -> Iterator[Flow]:
    writer = RuleWriter(view, policies.references, policies.numbers)
    onward = {name: _following_tiers(view, policies, switch, side) for name, side in SIDES.items()}
    for acl in policies.at[switch]:
        side = SIDES[acl.direction]
        table = side.tiers[acl.tier] if policies.managed else side.first
        following = onward[acl.direction][acl.tier]
        yield from writer.flows(acl, side, table, switch, policies.ports(acl, switch), following)


def _following_tiers(view: View, policies: Policies, switch: str, side: Side) -> tuple[int, ...]:
    """For each tier: the table of the next tier that has ACLs at the switch, or what comes after all."""
    used = {acl.tier for acl in policies.at[switch] if acl.direction == side.name}
    last = side.default if side.name in view.network.default_deny else side.verdict
    return tuple(
        min((side.tiers[one] for one in used if one > tier), default=last) for tier in range(len(side.tiers))
    )


def _ends(view: View, policies: Policies, switch: str, side: Side) -> Iterator[Flow]:
    """Where a packet goes of which no ACL of a tier speaks."""
    following = _following_tiers(view, policies, switch, side)
    match = fields(metadata=view.datapath(switch))
    table = side.tiers[0]
    while table in side.tiers:
        onward = following[side.tiers.index(table)]
        yield flow(table, 0, match, (Resubmit(onward),), view.owner("switch", switch))
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
        number = _hash(name)
        while number == 0 or number in taken:
            number = (number + 1) % CONJUNCTION_MAX
        taken.add(number)
        found[name] = number
    return found


@lru_cache(maxsize=65536)
def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big")
