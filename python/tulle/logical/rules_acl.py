"""Rules about ACLs: bounds, and pairs that contradict each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Final

from tulle.errors import InvalidInput
from tulle.values import Acl, Network

from .match import emit_match, overlap, parse_match
from .problem import Problem

PRIORITY_MAX: Final = 60000
EQUAL_PRIORITY_MAX: Final = 500


def acl_problems(network: Network) -> list[Problem]:
    """All that is wrong with the ACLs of a network whose names and references are right."""
    malformed = [*_malformed(network)]
    return malformed or [*_contradictions(network)]


def _malformed(network: Network) -> Iterator[Problem]:
    for at, acl in enumerate(network.acls):
        if not 1 <= acl.priority <= PRIORITY_MAX:
            message = f"a priority from 1 to {PRIORITY_MAX} was expected, {acl.priority} came"
            yield Problem(("acls", at, "priority"), message)
        try:
            if parse_match(emit_match(acl.match)) != acl.match:
                yield Problem(("acls", at, "match"), f"{emit_match(acl.match)!r} is not the usual spelling")
        except InvalidInput as error:
            yield Problem(("acls", at, "match"), error.message)


def _contradictions(network: Network) -> Iterator[Problem]:
    """Two actions for one packet at one priority: the order of evaluation would be a matter of luck."""
    switches = {port.name: port.switch for port in network.ports}
    groups: defaultdict[tuple[object, ...], list[tuple[int, Acl]]] = defaultdict(list)
    for at, acl in enumerate(network.acls):
        switch = acl.switch if acl.port is None else switches[acl.port]
        groups[(switch, acl.direction, acl.priority)].append((at, acl))
    for group in groups.values():
        if len(group) > EQUAL_PRIORITY_MAX:
            yield Problem(("acls", group[-1][0]), f"at most {EQUAL_PRIORITY_MAX} ACLs may share a priority")
            continue
        for (_, one), (at, other) in combinations(group, 2):
            if _contradict(one, other):
                message = f"ACLs {one.name} and {other.name} of priority {one.priority} contradict each other"
                yield Problem(("acls", at), message)


def _contradict(one: Acl, other: Acl) -> bool:
    apart = one.port is not None and other.port is not None and one.port != other.port
    return one.action != other.action and not apart and overlap(one.match, other.match)
