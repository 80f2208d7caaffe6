"""Whether the switch has what it is to have, checked against everything computed anew.

Three things are compared: the flows that the switch has, those that the agent thinks it has, and those that a full
computation gives.  They differ when somebody else writes flows, when a switch loses some, or when what the agent
works out step by step is not what it would work out at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

EXAMPLES_MAX: Final = 5
Flows = Mapping[str, str]
"""Canonical texts by key (see `tulle.openflow.flow_key`)."""


class Drift(Struct, frozen=True):
    """How many flows are missing from the switch, surplus there, or other than they should be.

    `stale`: of those, how many the agent itself has wrong; `examples` are sentences.
    """

    flows: int
    missing: int = 0
    surplus: int = 0
    different: int = 0
    stale: int = 0
    examples: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus or self.different or self.stale)


def drift(installed: Flows, thought: Flows, full: Flows) -> Drift:
    """Compare what the switch has and what the agent thinks with what there should be."""
    missing, surplus = full.keys() - installed.keys(), installed.keys() - full.keys()
    different = {key for key in full.keys() & installed.keys() if full[key] != installed[key]}
    keys = full.keys() | thought.keys()
    stale = sum(full.get(key) != thought.get(key) for key in keys)
    told = [*_told("missing", missing), *_told("surplus", surplus), *_told("different", different)]
    return Drift(len(full), len(missing), len(surplus), len(different), stale, tuple(told[:EXAMPLES_MAX]))


def _told(word: str, keys: set[str]) -> Iterator[str]:
    return (f"{word}: {key}" for key in sorted(keys)[:EXAMPLES_MAX])


def drift_document(found: Drift, repaired: int) -> dict[str, Any]:
    """As answers carry it; `repaired` counts the checks since the agent's start that had to repair something."""
    return {
        "flows": found.flows,
        "missing": found.missing,
        "surplus": found.surplus,
        "different": found.different,
        "stale": found.stale,
        "examples": list(found.examples),
        "repaired": repaired,
    }
