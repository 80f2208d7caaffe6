"""Counters of networks, switches and routers, summed over nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .output import table

Document = dict[str, Any]
KINDS: Final = ("network", "switch", "router")


def totals_of(rows: Iterable[Document]) -> list[Document]:
    """[{"kind", "name", "packets", "bytes", "drops": {reason: packets}}], the network first."""
    found: dict[tuple[str, str], Document] = {}
    for row in rows:
        empty: Document = {"kind": row["kind"], "name": row["name"], "packets": 0, "bytes": 0, "drops": {}}
        one = found.setdefault((row["kind"], row["name"]), empty)
        if row["reason"] and row["packets"]:
            one["drops"][row["reason"]] = one["drops"].get(row["reason"], 0) + row["packets"]
        elif not row["reason"]:
            one["packets"] += row["packets"]
            one["bytes"] += row["bytes"]
    return sorted(found.values(), key=lambda one: (KINDS.index(one["kind"]), one["name"]))


def draw_totals(found: list[Document]) -> None:
    """As a table, with the drops of each in words."""
    rows = [(one["kind"], one["name"], one["packets"], one["bytes"], _drops(one["drops"])) for one in found]
    table(["kind", "name", "packets", "bytes", "dropped"], rows, "nothing has been counted yet")


def _drops(drops: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(drops.items())) or "-"
