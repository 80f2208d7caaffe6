"""Which commits reach the disk before anybody hears of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tulle.ovsdb import Storage
from tulle.ovsdb.schema import DatabaseSchema, parse_schema
from tulle.ovsdb.service import Service, Session
from tulle.ovsdb.table import Change


class Watched(Storage):
    """A database file that says how many commits it was told to bring to the disk."""

    appended = synced = 0

    def append(self, schema: DatabaseSchema, changes: list[Change], comment: str) -> None:
        super().append(schema, changes, comment)
        self.appended += 1

    def sync(self) -> None:
        super().sync()
        self.synced = self.appended


INSERT: dict[str, Any] = {"op": "insert", "table": "T", "row": {"name": "a"}}
SCHEMA = {
    "name": "D",
    "version": "1.0.0",
    "tables": {"T": {"columns": {"name": {"type": "string"}}, "isRoot": True}},
}


@pytest.mark.parametrize(
    ("operations", "synced"),
    [
        ([INSERT], 0),
        ([INSERT, {"op": "commit", "durable": False}], 0),
        ([INSERT, {"op": "commit", "durable": True}], 1),
    ],
)
def test_only_a_durable_commit_of_a_client_waits_for_the_disk(
    tmp_path: Path, operations: list[Any], synced: int
) -> None:
    with Watched(tmp_path / "db", parse_schema(SCHEMA)) as disk:
        service = Service(lambda: 0.0)
        service.add_database(disk.database)
        session = Session(service)
        session.receive({"method": "transact", "params": ["D", *operations], "id": 1})
        service.sync()
        assert (disk.appended, disk.synced) == (1, synced), session.take_output()


def test_a_commit_of_this_process_is_on_the_disk_when_transact_returns(tmp_path: Path) -> None:
    with Watched(tmp_path / "db", parse_schema(SCHEMA)) as disk:
        disk.database.transact([INSERT])
        assert (disk.appended, disk.synced) == (1, 1)
