"""What a server says of rows (<table-updates> of `monitor`, <table-updates2> of its successors), as changes.

Both forms are parsed here and nowhere else; nothing here changes a table.
Source: RFC 7047 section 4.1.6 and ovsdb-server(7) sections 4.1.12 to 4.1.15.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from tulle.errors import ProtocolError
from tulle.ovsdb import datum
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.schema import Column, TableSchema
from tulle.ovsdb.table import Change, Row
from tulle.ovsdb.types import UNLIMITED, ColumnType, Shape, Value, column_type

Fresh = dict[str, dict[UUID, Row]]


class ReplicaTable:
    """The rows of one table as last heard, by uuid."""

    def __init__(self, schema: TableSchema, columns: Iterable[str]) -> None:
        self.schema = schema
        self.columns = {name: schema.column(name) for name in columns}
        self.rows: dict[UUID, Row] = {}

    def find(self, **values: Any) -> Row | None:
        """The first row whose columns have these values, or None."""
        for row in self.rows.values():
            if all(row[name] == value for name, value in values.items()):
                return row
        return None


Tables = Mapping[str, ReplicaTable]


def parse_whole(tables: Tables, json: Any) -> Fresh:
    """All rows, from the first reply to a monitor of any version; raises `ProtocolError`."""
    return {name: dict(_whole_rows(tables[name], rows)) for name, rows in _members(tables, json)}


def parse_changes(tables: Tables, json: Any) -> list[Change]:
    """<table-updates> against the rows that the tables have; raises `ProtocolError`."""
    return _parse(tables, json, _change)


def parse_changes2(tables: Tables, json: Any) -> list[Change]:
    """<table-updates2> against the rows that the tables have; raises `ProtocolError`."""
    return _parse(tables, json, _change2)


def differences(tables: Tables, fresh: Fresh) -> list[Change]:
    """What leads from the rows that the tables have to fresh ones."""
    found = []
    for name, table in tables.items():
        rows = fresh.get(name, {})
        found += [Change(name, uuid, old, None) for uuid, old in table.rows.items() if uuid not in rows]
        found += [
            Change(name, uuid, table.rows.get(uuid), new)
            for uuid, new in rows.items()
            if table.rows.get(uuid) != new
        ]
    return found


def _members(tables: Tables, json: Any) -> list[tuple[str, Any]]:
    if not isinstance(json, dict) or not json.keys() <= tables.keys():
        raise ProtocolError("expected updates of the tables that were asked for")
    return list(json.items())


def _whole_rows(table: ReplicaTable, json: Any) -> Iterable[tuple[UUID, Row]]:
    try:
        for text, update in json.items():
            uuid = datum.parse_uuid_text(text)
            shown = next(update[key] for key in ("initial", "new", "insert") if key in update)
            yield uuid, _row(table, uuid, shown)
    except (AttributeError, KeyError, TypeError, StopIteration, OvsdbError) as error:
        raise ProtocolError(f"malformed rows: {error!r}") from error


def _parse(tables: Tables, json: Any, change: Any) -> list[Change]:
    found: list[Change] = []
    for name, rows in _members(tables, json):
        try:
            for text, update in rows.items():
                uuid = datum.parse_uuid_text(text)
                one = change(tables[name], name, uuid, update)
                if one.old is not None or one.new is not None:
                    found.append(one)
        except (AttributeError, KeyError, TypeError, ValueError, OvsdbError) as error:
            raise ProtocolError(f"malformed table updates: {error!r}") from error
    return found


def _change(table: ReplicaTable, name: str, uuid: UUID, json: dict[str, Any]) -> Change:
    shown = json.get("new")
    new = None if shown is None else _row(table, uuid, shown)
    return Change(name, uuid, table.rows.get(uuid), new)


def _change2(table: ReplicaTable, name: str, uuid: UUID, json: dict[str, Any]) -> Change:
    ((kind, shown),) = json.items()
    old = table.rows.get(uuid)
    if kind in ("insert", "initial"):
        return Change(name, uuid, old, _row(table, uuid, shown))
    if kind == "delete":
        return Change(name, uuid, old, None)
    if kind != "modify" or old is None:
        raise ProtocolError(f"an update {kind!r} of row {uuid} of {name}, which is not known")
    return Change(name, uuid, old, _modified(table, old, shown))


def _row(table: ReplicaTable, uuid: UUID, json: dict[str, Any]) -> Row:
    """A row of which columns with default values may be left out."""
    row = {
        name: datum.parse(column.type, json[name]) if name in json else _default(column)
        for name, column in table.columns.items()
    }
    row["_uuid"] = uuid
    return Row(row)


def _default(column: Column) -> Value:
    return datum.default(column.type)


def _modified(table: ReplicaTable, old: Row, json: dict[str, Any]) -> Row:
    changed = {name: _patched(table.columns[name].type, old[name], part) for name, part in json.items()}
    return Row({**old, **changed})


def _patched(kind: ColumnType, old: Value, json: Any) -> Value:
    """A new value where there can be one only, else the difference applied to the old one."""
    if not kind.is_composite:
        return datum.parse(kind, json)
    difference = datum.parse(column_type(kind.key, kind.value, 0, UNLIMITED), json)
    if kind.shape is Shape.SET:
        return old ^ difference
    kept = {key: value for key, value in old.items() if difference.get(key, _ABSENT) != value}
    added = {key: value for key, value in difference.items() if old.get(key, _ABSENT) != value}
    return {**kept, **added}


_ABSENT = object()
