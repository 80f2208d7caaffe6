"""Counters over all nodes."""

from __future__ import annotations

from tulle.cli.views import summed


def test_counters_of_one_object_are_summed_over_nodes_and_of_others_not() -> None:
    def row(name: str, node: str, packets: int) -> dict[str, object]:
        return {"network": "red", "kind": "port", "name": name, "node": node, "packets": packets, "bytes": 9}

    found = summed([row("b", "node1", 1), row("a", "node1", 2), row("a", "node2", 3)])
    assert [(one["name"], one["packets"], one["bytes"]) for one in found] == [("a", 5, 18), ("b", 1, 9)]
