"""Which members of two lists differ, told without a look inside those that are the same objects."""

from __future__ import annotations

from typing import TypeVar

Member = TypeVar("Member")


def differing(
    old: tuple[Member, ...], new: tuple[Member, ...]
) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """(gone, come): members that only `old` has, and those that only `new` has.

    Equal members at the same place count as the same.  Between the first and the last place that differ members are
    compared as objects, so equal ones may be in both there.
    """
    if old is new:
        return (), ()
    first = _common(old, new, from_end=False)
    old, new = old[first:], new[first:]
    last = _common(old, new, from_end=True)
    old, new = old[: len(old) - last], new[: len(new) - last]
    before, after = set(map(id, old)), set(map(id, new))
    return (
        tuple(one for one in old if id(one) not in after),
        tuple(one for one in new if id(one) not in before),
    )


def _common(old: tuple[Member, ...], new: tuple[Member, ...], *, from_end: bool) -> int:
    """How many members are the same from one end on: halves are compared, which is quick for the same objects."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if from_end:
            same = old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]
        else:
            same = old[low:middle] == new[low:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low
