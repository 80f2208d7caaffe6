"""How far the clocks of two nodes are apart, as packets between them tell.  Pure.

A packet cannot arrive before it was sent.  So one that goes there says by how much the other clock is ahead at most,
and one that comes back says by how much at least (as RFC 5905 section 8, with bounds in place of averages).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

Sighting = Mapping[str, Any]


class Clock(Struct, frozen=True):
    """The node's clock is `ahead_ns` ahead of the first node's, give or take `within_ns`."""

    ahead_ns: int
    within_ns: int


def clock(here: str, there: str, seen: Mapping[str, Iterable[Sighting]]) -> Clock | None:
    """What is known of the clock `there`; None where nothing has gone both ways by a tunnel of the two."""
    most = _least_ns(seen, here, there)
    least = _least_ns(seen, there, here)
    if most is None or least is None or most + least < 0:
        # Less than nothing: a clock has been set meanwhile.
        return None
    return Clock((most - least) // 2, (most + least + 1) // 2)


def _least_ns(seen: Mapping[str, Iterable[Sighting]], source: str, target: str) -> int | None:
    """The least by which the clock of the target was later at an arrival than that of the source when it left."""
    left, came = (_once(seen.get(node, ()), source, target, out=node == source) for node in (source, target))
    return min((came[digest] - left[digest] for digest in left.keys() & came.keys()), default=None)


def _once(found: Iterable[Sighting], source: str, target: str, *, out: bool) -> dict[str, int]:
    """When packets were seen at one end of a tunnel; not those that were seen there twice."""
    times: dict[str, list[int]] = {}
    for one in found:
        if (one.get("source"), one.get("target"), one["out"]) == (source, target, out):
            times.setdefault(one["digest"], []).append(one["at_ns"])
    return {digest: at[0] for digest, at in times.items() if len(at) == 1}
