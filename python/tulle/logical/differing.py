"""Which members of two lists differ, told without a look inside those that are the same objects."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

Member = TypeVar("Member")


def differing(old: Collection[Member], new: Collection[Member]) -> tuple[list[Member], list[Member]]:
    """(gone, come): members of `old` that are not objects of `new`, and the reverse; equal twins are in both."""
    if old is new:
        return [], []
    before, after = set(map(id, old)), set(map(id, new))
    if before == after:
        return [], []
    return (
        [one for one in old if id(one) not in after],
        [one for one in new if id(one) not in before],
    )
