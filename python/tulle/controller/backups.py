"""Backup and restore through the controller, so that both kinds of store have the same one command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tulle import store
from tulle.ovsdb import Database
from tulle.store import backup

from .intent import Intent
from .stores import Store, grant_agent_role


class Backups:
    """Packs the rows of both databases, and puts packed ones in their place."""

    def __init__(self, stores: tuple[Store, Store], intent: Intent) -> None:
        self._stores = stores
        self._intent = intent

    def pack(self, now_ms: int) -> bytes:
        """Both databases at one moment."""
        return backup.pack(self._stores, now_ms)

    async def restore(self, data: bytes) -> dict[str, int]:
        """Make both databases as in a backup; how many operations each took.

        State goes first: so networks that come back find their numbers.  `InvalidInput`: nothing is changed.
        """
        wanted = backup.unpack(data)
        intent, state = self._stores
        async with self._intent.turn:
            operations = {
                name: backup.restoring(one, wanted[name])
                for name, one in (("Tulle_State", state), ("Tulle", intent))
            }
            if operations["Tulle"]:
                operations["Tulle"] += _raised(self._generations(), wanted["Tulle"])
            for name, one in (("Tulle_State", state), ("Tulle", intent)):
                if operations[name]:
                    await one.transact([{"op": "comment", "comment": _COMMENT}, *operations[name]])
            await grant_agent_role(state)
        return {name: len(found) for name, found in operations.items()}

    def _generations(self) -> dict[str, int]:
        """The highest generation of each network that a node may have, as the rows are now."""
        intent, state = self._stores
        known = {row["name"]: int(row["generation"]) for row in intent.table("Network").rows.values()}
        for generations in store.applied(store.source(state)).values():
            for name, generation in generations.items():
                known[name] = max(known.get(name, 0), generation)
        return known


def _raised(known: Mapping[str, int], wanted: Database) -> list[dict[str, Any]]:
    """Operations that give restored networks a generation that no node has seen."""
    return [
        {
            "op": "update",
            "table": "Network",
            "where": [["name", "==", row["name"]]],
            "row": {"generation": known[row["name"]] + 1},
        }
        for row in wanted.rows("Network").values()
        if row["generation"] <= known.get(row["name"], 0)
    ]


_COMMENT: Final = "restore a backup"
