"""Counters of whole networks, as people see them."""

from __future__ import annotations

from tulle.cli.totals import totals_of


def test_nodes_are_summed_and_drops_stand_by_their_reasons() -> None:
    def row(kind: str, name: str, reason: str, packets: int) -> dict[str, object]:
        return {"kind": kind, "name": name, "reason": reason, "packets": packets, "bytes": 2 * packets}

    found = totals_of(
        [
            row("switch", "web", "", 1),
            row("router", "r", "", 4),
            row("switch", "web", "acl", 7),
            row("network", "red", "", 2),
            row("network", "red", "", 3),
            row("network", "red", "acl", 7),
            row("network", "red", "acl", 1),
        ]
    )
    assert found == [
        {"kind": "network", "name": "red", "packets": 5, "bytes": 10, "drops": {"acl": 8}},
        {"kind": "switch", "name": "web", "packets": 1, "bytes": 2, "drops": {"acl": 7}},
        {"kind": "router", "name": "r", "packets": 4, "bytes": 8, "drops": {}},
    ]
