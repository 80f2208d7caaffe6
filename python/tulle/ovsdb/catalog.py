"""The `_Server` database (ovsdb-server(5)): which databases this server has, as rows that clients can follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson

from tulle.ovsdb.database import Database
from tulle.ovsdb.schema import load


class Catalog:
    """Keeps a row of `database` for each served one; clients can only read it.

    A database of one server has model "standalone", is always connected and leads itself; `cid`, `sid`
    and `index` are for members of a cluster and stay empty.
    """

    def __init__(self, new_uuid: Callable[[], UUID]) -> None:
        self.database = Database(load("_server"), new_uuid=new_uuid)
        self.database.read_only = True

    def add(self, database: Database) -> None:
        """A database is served now."""
        row = {"name": database.name, "model": "standalone", "connected": True, "leader": True}
        self._write({"op": "insert", "row": {**row, "schema": _schema(database)}})

    def convert(self, database: Database) -> None:
        """A database has another schema now."""
        self._write({"op": "update", "where": _named(database.name), "row": {"schema": _schema(database)}})

    def remove(self, name: str) -> None:
        """A database is served no more."""
        self._write({"op": "delete", "where": _named(name)})

    def _write(self, operation: dict[str, Any]) -> None:
        self.database.read_only = False
        try:
            self.database.transact([{**operation, "table": "Database"}])
        finally:
            self.database.read_only = True


def _named(name: str) -> list[Any]:
    return [["name", "==", name]]


def _schema(database: Database) -> str:
    return orjson.dumps(database.schema.emit()).decode()
