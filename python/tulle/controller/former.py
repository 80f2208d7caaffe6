"""A name that a network has left, and that another network has now, while some node still serves the first.

The numbers of the first stay with it under a name of their own, `NAME.GENERATION`, which no network can have,
until every node has let go of it: two tenants would meet under one number otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tulle.store import Source
from tulle.values import Ids

Applied = Iterable[Mapping[str, int]]
"""The generation of each network that a node has applied, for every node."""


def left(intent: Source) -> dict[str, int]:
    """The generation of the last deletion of each name, or of the renaming that freed it."""
    found: dict[str, int] = {}
    for row in intent("Change"):
        if not row["content"]:
            found[row["network"]] = max(row["generation"], found.get(row["network"], 0))
    return found


def set_aside(current: Ids, present: Collection[str], last: Mapping[str, int], applied: Applied) -> Ids:
    """The numbers, of which those of a network that has left its name to one of `present` go by another name."""
    moved: dict[str, str] = {}
    for name in last.keys() & set(present):
        other = f"{name}.{last[name]}"
        if _is_served(name, last[name], applied) and not any(
            one.startswith(f"{other}/") for one in current.datapaths
        ):
            moved[name] = other
    return Ids(_renamed(current.datapaths, moved), _renamed(current.ports, moved))


def is_held_aside(name: str, applied: Applied) -> bool:
    """Whether a number by such a name may be in use on some node."""
    network, _, generation = name.partition("/")[0].partition(".")
    return generation.isdecimal() and _is_served(network, int(generation), applied)


def _is_served(network: str, generation: int, applied: Applied) -> bool:
    return any(one.get(network, generation + 1) <= generation for one in applied)


def _renamed(numbers: Mapping[str, int], moved: Mapping[str, str]) -> dict[str, int]:
    def other(name: str) -> str:
        network, _, rest = name.partition("/")
        return f"{moved[network]}/{rest}" if network in moved else name

    return {other(name): number for name, number in numbers.items()}
