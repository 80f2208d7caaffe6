"""Feature: one ACL as flows: what it does with a packet, and for which packets.

A match with several addresses on both sides, or of a group of ports, would multiply: there each side has
flows of its own that say which condition is met, and one more flow acts where all are (ovs-fields(7),
`conj_id`).  Those conditions ask for bit 2 of `reg13`, which is never set, so that they are other flows
than those of an ACL without conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from itertools import product
from math import prod
from typing import Final

from msgspec.structs import replace

from tulle.values import (
    Acl,
    Action,
    Clause,
    Commit,
    Controller,
    FieldMatch,
    Flow,
    Match,
    Resubmit,
    SetField,
    Slice,
    Untrack,
    fields,
    flow,
)
from tulle.values.pipeline import ETH_ARP, ETH_IPV4, ETH_IPV6

from .acl_places import Side
from .match import expand_match, families
from .references import References
from .view import View

ZONE: Final = Slice("reg12", 0, 16)
BLOCKED: Final = 1
LIVE, NEW, CLAUSE = 1, 2, 4
"""Bits of `reg13`: the packet's connection is established; it is to be remembered if allowed; none."""
REJECT_RATE: Final = 100
ETH_TYPES: Final = {"ip4": ETH_IPV4, "ip6": ETH_IPV6, "arp": ETH_ARP}
Matched = tuple[FieldMatch, ...]
Lists = tuple[tuple[Matched, ...], ...]


class RuleWriter:
    """Writes the flows of ACLs into one table; `following` is where packets go that are not decided."""

    def __init__(self, view: View, references: References, conjunctions: Mapping[str, int]) -> None:
        self._view = view
        self._references = references
        self._conjunctions = conjunctions

    def flows(
        self, acl: Acl, side: Side, table: int, switch: str, ports: Iterable[str] | None, following: int
    ) -> Iterator[Flow]:
        """The flows of `acl` at a switch, or at some ports of it; flows of conditions may come again."""
        owner = self._view.owner("acl", acl.name)
        at = _joined(fields(metadata=self._view.datapath(switch)), _uncounted(acl, side))
        cases = tuple(_cases(acl, side, table, following))
        for lists in self._lists(acl, side, switch, ports):
            if not _multiplies(lists):
                for chosen in product(*lists):
                    for extra, actions in cases:
                        for match in _of_ip(_joined(at, extra, *chosen), actions):
                            yield flow(table, acl.priority, match, actions, owner)
                continue
            number = self._conjunctions[f"{acl.name}/{_family(lists)}"]
            yield from _conditions(table, acl.priority, at, lists, number, owner)
            met = fields(conj_id=number, dl_type=ETH_TYPES[_family(lists)])
            for extra, actions in cases:
                match = _joined(at, extra, met)
                yield flow(table, acl.priority, match, actions, owner)

    def _lists(self, acl: Acl, side: Side, switch: str, ports: Iterable[str] | None) -> Iterator[Lists]:
        """For each family: what the ports, the sources and the destinations may be, and all the rest."""
        places: tuple[Matched, ...] = ((),)
        if ports is not None:
            places = tuple(fields(**{side.register: self._view.key(switch, port)}) for port in ports)
        if acl.match.src is None and acl.match.dst is None:
            for matched in expand_match(acl.match):
                yield places, ((),), ((),), (matched,)
            return
        for family in sorted(families(acl.match)):
            sources = self._ends(acl.match, "src", family)
            targets = self._ends(acl.match, "dst", family)
            if sources and targets:
                rest = _of_family(replace(acl.match, src=None, dst=None), family)
                yield places, sources, targets, (rest,)

    def _ends(self, match: Match, name: str, family: str) -> tuple[Matched, ...]:
        """The ways in which one address of the match can be met."""
        text = getattr(match, name)
        if text is None:
            return ((),)
        version = 6 if family == "ip6" else 4
        found = [one for one in self._references.addresses(text) if ip_network(one).version == version]
        bare = Match(protocol=match.protocol)
        rest = _of_family(bare, family)
        return tuple(
            tuple(one for one in _of_family(replace(bare, **{name: address}), family) if one not in rest)
            for address in found
        )


def conjunction_names(acls: Iterable[Acl]) -> Iterator[str]:
    """What needs a number, should it come to conditions."""
    for acl in acls:
        for family in sorted(families(acl.match)):
            yield f"{acl.name}/{family}"


def _of_family(match: Match, family: str) -> Matched:
    """The fields of a match for packets of one family."""
    if match == Match():
        match = Match(protocol="ip4" if family == "ip4" else "ip6")
    wanted = FieldMatch("dl_type", ETH_TYPES[family])
    return next(one for one in expand_match(match) if wanted in one)


def _multiplies(lists: Lists) -> bool:
    sizes = [len(one) for one in lists if len(one) > 1]
    return len(sizes) > 1 and prod(sizes) > sum(sizes) + 1


def _family(lists: Lists) -> str:
    return "ip6" if FieldMatch("dl_type", ETH_IPV6) in lists[-1][0] else "ip4"


def _of_ip(match: Matched, actions: tuple[Action, ...]) -> tuple[Matched, ...]:
    """Connections are of IPv4 or IPv6, and a flow that writes them must say which; ARP has none."""
    if not any(isinstance(one, Commit) for one in actions):
        return (match,)
    eth_type = next((one.value for one in match if one.field == "dl_type"), None)
    if eth_type is not None:
        return (match,) if eth_type in (ETH_IPV4, ETH_IPV6) else ()
    return tuple(fields(match, dl_type=ETH_TYPES[family]) for family in ("ip4", "ip6"))


def _conditions(
    table: int, priority: int, at: Matched, lists: Lists, number: int, owner: str
) -> Iterator[Flow]:
    """One flow for each way to meet a condition; what has no choice belongs to all of them."""
    always = [one[0] for one in lists if len(one) == 1]
    choices = [one for one in lists if len(one) > 1]
    clause = (FieldMatch("reg13", 0, CLAUSE),)
    for place, choice in enumerate(choices, 1):
        for one in choice:
            match = _joined(at, clause, *always, one)
            yield flow(table, priority, match, (Clause(number, place, len(choices)),), owner)


def _joined(*parts: Matched) -> Matched:
    return fields(tuple(one for part in parts for one in part))


def _uncounted(acl: Acl, side: Side) -> Matched:
    """An audit rule looks at packets that no audit rule has counted yet, and lets the others pass it."""
    return (FieldMatch("reg11", 0, side.audit_bit),) if acl.audit else ()


def _cases(acl: Acl, side: Side, table: int, following: int) -> Iterator[tuple[Matched, tuple[Action, ...]]]:
    """What to do, by what else must hold."""
    if acl.audit:
        again = (SetField("reg11", side.audit_bit), Resubmit(table), SetField("reg11", 0))
        yield (), (*_told(acl), *again)
    elif acl.action in ("drop", "reject"):
        yield from _refusals(acl, side, table)
    elif acl.action == "allow-related" and not acl.log:
        yield (), (Resubmit(side.verdict),)
    elif acl.action == "allow-related":
        # The beginning of a connection is what is logged, not each of its packets.
        yield (FieldMatch("reg13", NEW, NEW),), (*_told(acl), Resubmit(side.verdict))
        yield (FieldMatch("reg13", 0, NEW),), (Resubmit(side.verdict),)
    else:
        onward = following if acl.action == "pass" else side.following
        yield (), (*_told(acl), Resubmit(onward))


def _refusals(acl: Acl, side: Side, table: int) -> Iterator[tuple[Matched, tuple[Action, ...]]]:
    """An established connection is marked, so that answers to it end too."""
    if table == side.first:
        yield (), _told(acl)
        return
    yield (FieldMatch("reg13", 0, LIVE),), _told(acl)
    yield (FieldMatch("reg13", LIVE, LIVE),), (Commit(ZONE, BLOCKED), *_told(acl))


def _told(acl: Acl) -> tuple[Action, ...]:
    """The packet to the agent, where it has something to say about it."""
    rejects = acl.action == "reject" and not acl.audit
    rate = max(acl.log, REJECT_RATE if rejects else 0)
    if not rate:
        return ()
    action = "audit" if acl.audit else acl.action
    reason = f"log {acl.log} {action}" if acl.log else action
    # A message that says which connection a packet belongs to would need its header fields too.
    return (Untrack(), Controller(reason, rate))
