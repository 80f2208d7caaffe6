"""Rules about ACLs: bounds, and pairs that contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Final

from tulle.errors import InvalidInput
from tulle.values import Acl, Network

from .match import emit_match, overlap, parse_match
from .problem import Problem
from .references import References
from .rules_policy import acl_extras

PRIORITY_MAX: Final = 60000
EQUAL_PRIORITY_MAX: Final = 500
FLOWS_MAX: Final = 250_000


def acl_problems(network: Network) -> list[Problem]:
    """All that is wrong with the ACLs of a network whose names and references are right."""
    return [*_malformed(network)] or [*_too_large(network)] or [*_contradictions(network)]


def _malformed(network: Network) -> Iterator[Problem]:
    for at, acl in enumerate(network.acls):
        if not 1 <= acl.priority <= PRIORITY_MAX:
            message = f"a priority from 1 to {PRIORITY_MAX} was expected, {acl.priority} came"
            yield Problem(("acls", at, "priority"), message)
        yield from acl_extras(at, acl)
        try:
            if parse_match(emit_match(acl.match)) != acl.match:
                yield Problem(("acls", at, "match"), f"{emit_match(acl.match)!r} is not the usual spelling")
        except InvalidInput as error:
            yield Problem(("acls", at, "match"), error.message)


def _too_large(network: Network) -> Iterator[Problem]:
    """Sets and groups multiply with ACLs: what each node would have to hold is counted before it is made."""
    references, total = References(network), 0
    places = cache(references.counts_at)
    for at, acl in enumerate(network.acls):
        sources, targets = (references.size(text) for text in (acl.match.src, acl.match.dst))
        for ports in places(acl.switch, acl.port, acl.group):
            total += 2 * min(ports * sources * targets, ports + sources + targets + 2)
        if total > FLOWS_MAX:
            message = f"at most about {FLOWS_MAX} flows of all ACLs were expected, up to {acl.name} there are {total}"
            yield Problem(("acls", at), f"{message}; smaller groups or sets, or prefixes, are needed")
            return


def _contradictions(network: Network) -> Iterator[Problem]:
    """Two actions for one packet at one priority: the order of evaluation would be a matter of luck."""
    references = References(network)
    groups: defaultdict[tuple[object, ...], list[tuple[int, Acl]]] = defaultdict(list)
    for at, acl in enumerate(network.acls):
        for switch in references.switches_of(acl):
            groups[(switch, acl.direction, acl.tier, acl.priority)].append((at, acl))
    seen: set[tuple[int, int]] = set()
    for group in groups.values():
        if len(group) > EQUAL_PRIORITY_MAX:
            yield Problem(("acls", group[-1][0]), f"at most {EQUAL_PRIORITY_MAX} ACLs may share a priority")
            continue
        for (first, one), (at, other) in combinations(group, 2):
            if (first, at) not in seen and _contradict(references, one, other):
                seen.add((first, at))
                message = f"ACLs {one.name} and {other.name} of priority {one.priority} contradict each other"
                yield Problem(("acls", at), message)


def _contradict(references: References, one: Acl, other: Acl) -> bool:
    if (one.action, one.audit) == (other.action, other.audit):
        return False
    return not _apart(references, one, other) and overlap(one.match, other.match, references.meet)


def _apart(references: References, one: Acl, other: Acl) -> bool:
    """Whether two ACLs are at different ports."""
    here, there = references.ports_of(one), references.ports_of(other)
    if here is None or there is None:
        return False
    return not any(set(ports) & set(there.get(switch, ())) for switch, ports in here.items())
