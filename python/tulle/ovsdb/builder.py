"""Builds the operations of a transaction from Python values.

    txn = Transaction(schema)
    port = txn.insert("Port", {"name": "p0"})
    txn.mutate("Bridge", bridge_uuid, "ports", "insert", [port])
    results = await client.transact("Open_vSwitch", txn.operations)
    uuid = txn.uuid(port, results)

It checks table and column names only; the server checks the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from tulle.ovsdb import datum
from tulle.ovsdb.datum import NamedUuid
from tulle.ovsdb.schema import DatabaseSchema, TableSchema
from tulle.ovsdb.table import Row
from tulle.ovsdb.types import ColumnType, Shape, column_type

Clause = tuple[str, str, Any]
Where = UUID | NamedUuid | Sequence[Clause]


class Transaction:
    """Operations in the order in which they were added; `operations` is their wire form.

    `where` is a row's uuid, or clauses such as ("name", "==", "br0"); no clauses mean every row.
    """

    def __init__(self, schema: DatabaseSchema) -> None:
        self.schema = schema
        self.operations: list[dict[str, Any]] = []
        self.verifies = False
        self._inserts: dict[str, int] = {}

    def insert(self, table: str, row: Mapping[str, Any], uuid: UUID | None = None) -> NamedUuid:
        """Insert a row; the name stands for its uuid within this transaction."""
        name = NamedUuid(f"row{len(self._inserts)}")
        self._inserts[name.name] = len(self.operations)
        operation = {"op": "insert", "table": table, "row": self._row(table, row), "uuid-name": name.name}
        if uuid is not None:
            operation["uuid"] = str(uuid)
        self.operations.append(operation)
        return name

    def update(self, table: str, where: Where, row: Mapping[str, Any]) -> None:
        """Give columns new values."""
        self._add("update", table, where, row=self._row(table, row))

    def mutate(self, table: str, where: Where, column: str, mutator: str, value: Any) -> None:
        """Change one column: mutators are += -= *= /= %= insert delete."""
        kind = self._table(table).column(column).type
        self._add("mutate", table, where, mutations=[[column, mutator, _emit_part(kind, value)]])

    def delete(self, table: str, where: Where) -> None:
        """Delete rows."""
        self._add("delete", table, where)

    def select(self, table: str, where: Where = (), columns: Iterable[str] | None = None) -> None:
        """Read rows, as the transaction sees them at this point."""
        chosen = {} if columns is None else {"columns": list(columns)}
        self._add("select", table, where, **chosen)

    def wait(
        self,
        table: str,
        where: Where,
        rows: Sequence[Mapping[str, Any]],
        *,
        until: str = "==",
        timeout_ms: int = 0,
    ) -> None:
        """Go on only when the matching rows show (with "!=": do not show) these values; else "timed out"."""
        columns = list(dict.fromkeys(name for row in rows for name in row)) or ["_uuid"]
        wanted = [self._row(table, row) for row in rows]
        self._add("wait", table, where, columns=columns, until=until, rows=wanted, timeout=timeout_ms)

    def verify(self, table: str, row: Row, columns: Iterable[str]) -> None:
        """Fail with "timed out" unless a row still has the values of these columns that were read."""
        self.verifies = True
        self.wait(table, row.uuid, [{name: row[name] for name in columns}])

    def comment(self, text: str) -> None:
        """Put a remark into the log."""
        self.operations.append({"op": "comment", "comment": text})

    def assert_lock(self, lock: str) -> None:
        """Fail with "not owner" unless the session holds a lock."""
        self.operations.append({"op": "assert", "lock": lock})

    def uuid(self, name: NamedUuid, results: Sequence[Any]) -> UUID:
        """The uuid that an inserted row got, from the results of the transaction."""
        return datum.parse_uuid_text(results[self._inserts[name.name]]["uuid"][1])

    def _table(self, table: str) -> TableSchema:
        return self.schema.table(table)

    def _add(self, operation: str, table: str, where: Where, **members: Any) -> None:
        clauses = self._where(self._table(table), where)
        self.operations.append({"op": operation, "table": table, "where": clauses, **members})

    def _row(self, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
        schema = self._table(table)
        return {name: datum.emit_python(schema.column(name).type, value) for name, value in row.items()}

    def _where(self, table: TableSchema, where: Where) -> list[Any]:
        if isinstance(where, UUID | NamedUuid):
            return [["_uuid", "==", datum.emit_atom(where)]]
        return emit_clauses(table, where)


def emit_clauses(table: TableSchema, clauses: Iterable[Clause]) -> list[Any]:
    """The wire form of clauses of column, function and value."""
    return [[name, function, _emit_part(table.column(name).type, value)] for name, function, value in clauses]


def _emit_part(kind: ColumnType, value: Any) -> Any:
    """A value, or for a map also a set of keys."""
    if kind.shape is Shape.MAP and not isinstance(value, Mapping):
        return datum.emit_python(column_type(kind.key, minimum=0, maximum=2), value)
    return datum.emit_python(kind, value)
