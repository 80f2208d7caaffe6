"""Builds the operations of one transaction (RFC 7047 section 5.2) out of Python values.

Nothing is written that is so already: an empty list of operations means that there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

from tulle.ovsdb import datum
from tulle.ovsdb.datum import NamedUuid
from tulle.ovsdb.schema import DatabaseSchema, TableSchema

Row = Mapping[str, Any]
Source = Callable[[str], Iterable[Row]]
Reference = UUID | NamedUuid


class HasRows(Protocol):
    """A table of a database, or of a replica."""

    @property
    def rows(self) -> Mapping[UUID, Row]:
        """Rows by uuid."""


class HasTables(Protocol):
    """A database, or a replica of one."""

    def table(self, name: str, /) -> HasRows:
        """The table of this name."""


def source(database: HasTables) -> Source:
    """The function that gives the present rows of a table."""
    return lambda table: database.table(table).rows.values()


class Writer:
    """Collects `operations` for one database."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self.operations: list[dict[str, Any]] = []
        self._schema = schema
        self._named = 0
        self._inserted: set[UUID] = set()

    def insert(self, table: str, values: Row) -> NamedUuid:
        """Add a row; the result refers to it within the same transaction."""
        self._named += 1
        name = f"row{self._named}"
        row = self._emit(table, values)
        self.operations.append({"op": "insert", "table": table, "row": row, "uuid-name": name})
        return NamedUuid(name)

    def insert_as(self, table: str, uuid: UUID, values: Row) -> None:
        """Add a row whose uuid is known beforehand; adding it a second time changes nothing."""
        if uuid not in self._inserted:
            self._inserted.add(uuid)
            row = self._emit(table, values)
            self.operations.append({"op": "insert", "table": table, "row": row, "uuid": str(uuid)})

    def update(self, table: str, row: Row, values: Row) -> None:
        """Write those `values` that `row` does not have yet."""
        changed = {name: value for name, value in values.items() if not _same(row[name], value)}
        if changed:
            self.operations.append(
                {"op": "update", "table": table, "where": _this(row), "row": self._emit(table, changed)}
            )

    def mutate(self, table: str, row: Row, column: str, mutator: str, values: Iterable[Reference]) -> None:
        """Insert `values` into a set, or delete them from it; the rest of the set is not looked at."""
        kind = self._schema.table(table).column(column).type
        if emitted := frozenset(values):
            mutation = [column, mutator, datum.emit_python(kind, emitted)]
            self.operations.append(
                {"op": "mutate", "table": table, "where": _this(row), "mutations": [mutation]}
            )

    def delete(self, table: str, row: Row) -> None:
        """Remove a row."""
        self.operations.append({"op": "delete", "table": table, "where": _this(row)})

    def require(self, table: str, row: Row, columns: tuple[str, ...]) -> None:
        """Let the whole transaction fail if the row has other values by now (RFC 7047 section 5.2.6)."""
        values = self._emit(table, {name: row[name] for name in columns})
        self.operations.append(
            {
                "op": "wait",
                "timeout": 0,
                "table": table,
                "where": _this(row),
                "columns": list(columns),
                "until": "==",
                "rows": [values],
            }
        )

    def comment(self, text: str) -> None:
        """Note in the log what the transaction is for."""
        self.operations.append({"op": "comment", "comment": text})

    def upsert(self, table: str, current: Iterable[Row], desired: Iterable[Row]) -> list[Reference]:
        """Insert or update the desired rows, found by the index of immutable columns; gives their uuids."""
        key = _identity(self._schema.table(table))
        known = {_key(key, row): row for row in current}
        return [self._put(table, known.get(_key(key, values)), values) for values in desired]

    def replace(self, table: str, current: Iterable[Row], desired: Iterable[Row]) -> None:
        """Make the `current` rows equal the desired ones: insert, update and delete."""
        rows, wanted = list(current), list(desired)
        key = _identity(self._schema.table(table))
        names = {_key(key, values) for values in wanted}
        for row in rows:
            if _key(key, row) not in names:
                self.delete(table, row)
        self.upsert(table, rows, wanted)

    def _put(self, table: str, row: Row | None, values: Row) -> Reference:
        if row is None:
            return self.insert(table, values)
        self.update(table, row, values)
        uuid: UUID = row["_uuid"]
        return uuid

    def _emit(self, table: str, values: Row) -> dict[str, Any]:
        schema = self._schema.table(table)
        return {name: datum.emit_python(schema.column(name).type, value) for name, value in values.items()}


def _identity(table: TableSchema) -> tuple[str, ...]:
    return next(index for index in table.indexes if not any(table.columns[name].mutable for name in index))


def _key(columns: tuple[str, ...], row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in columns)


def _this(row: Row) -> list[Any]:
    return [["_uuid", "==", ["uuid", str(row["_uuid"])]]]


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, set | frozenset) and isinstance(new, set | frozenset | list | tuple):
        return old == frozenset(new)
    return bool(old == new)
