"""One transaction in progress (RFC 7047 section 4.1.3): it writes to the tables and can undo what it wrote.

Execution is synchronous, so nobody else sees the tables between the first operation and commit or undo.
The operations themselves are in `operations`, the checks at the end in `integrity`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tulle.ovsdb import datum
from tulle.ovsdb.condition import Condition
from tulle.ovsdb.errors import OvsdbError, syntax_error
from tulle.ovsdb.rbac import Guard
from tulle.ovsdb.table import Key, Row, Table, index_key
from tulle.ovsdb.types import Value


@dataclass
class Outcome:
    """What a transaction came to.

    `results` is the wire form of the reply; `failed` says that nothing was changed.
    `wait_ms` is set when a `wait` does not hold yet: the caller may try again until that many milliseconds
    have passed (None: without end) and one of `awaited` tables changes.
    """

    results: list[Any]
    failed: bool = False
    waiting: bool = False
    wait_ms: int | None = None
    awaited: frozenset[str] = frozenset()
    durable: bool = False


class UnfulfilledWaitError(Exception):
    """A `wait` operation does not hold now."""

    def __init__(self, timeout_ms: int | None) -> None:
        super().__init__()
        self.timeout_ms = timeout_ms


@dataclass
class Execution:
    """The tables and what this transaction has done to them so far."""

    tables: Mapping[str, Table]
    new_uuid: Callable[[], UUID]
    owns_lock: Callable[[str], bool]
    names: dict[str, UUID] = field(default_factory=dict)
    before: dict[Key, Row | None] = field(default_factory=dict)
    dirty: list[Key] = field(default_factory=list)
    awaited: set[str] = field(default_factory=set)
    comments: list[str] = field(default_factory=list)
    durable: bool = False
    guard: Guard | None = None

    def table(self, name: object) -> Table:
        """The table of this name; raises "unknown table"."""
        found = self.tables.get(name) if isinstance(name, str) else None
        if found is None:
            raise OvsdbError("unknown table", f"no table {name}", syntax=name)
        return found

    def matching(self, table: Table, condition: Condition) -> list[Row]:
        """The rows that match, found by uuid or by an index where the condition allows."""
        candidates = self._indexed(table, condition)
        if candidates is None:
            return table.matching(condition)
        return [row for row in candidates if condition.matches(row)]

    def _indexed(self, table: Table, condition: Condition) -> list[Row] | None:
        """The row that had the wanted index value before this transaction, and those that this one touched."""
        if condition.uuid is not None or len(self.before) >= len(table.rows):
            return None
        wanted = dict(condition.equals)
        for number, columns in enumerate(table.schema.indexes):
            if all(name in wanted for name in columns):
                found = {uuid for name, uuid in self.before if name == table.schema.name}
                owner = table.indexes[number].get(index_key(columns, wanted))
                if owner is not None:
                    found.add(owner)
                return [table.rows[uuid] for uuid in found if uuid in table.rows]
        return None

    def put(self, table: Table, uuid: UUID, row: Row | None) -> None:
        """Insert, replace or (None) delete a row."""
        key = (table.schema.name, uuid)
        if key not in self.before:
            self.before[key] = table.rows.get(uuid)
        self.dirty.append(key)
        if row is None:
            table.rows.pop(uuid, None)
        else:
            table.rows[uuid] = row

    def change(self, table: Table, row: Row, changes: Mapping[str, Value]) -> None:
        """Give some columns of a row new values."""
        if any(row[name] != value for name, value in changes.items()):
            self.put(table, row.uuid, Row({**row, **changes}))

    def undo(self) -> None:
        """Put every row back as it was."""
        for (name, uuid), row in self.before.items():
            rows = self.tables[name].rows
            if row is None:
                rows.pop(uuid, None)
            else:
                rows[uuid] = row

    def name_inserts(self, operations: list[Any]) -> None:
        """Choose the uuids of all named inserts, since operations may refer to later ones."""
        for operation in operations:
            if (
                not isinstance(operation, dict)
                or "uuid-name" not in operation
                or operation.get("op") != "insert"
            ):
                continue
            name = operation["uuid-name"]
            if not datum.is_name(name):
                raise syntax_error(name, "uuid-name must be an id")
            if name in self.names:
                raise OvsdbError("duplicate uuid-name", f"{name} is used twice", syntax=name)
            explicit = operation.get("uuid")
            self.names[name] = datum.parse_uuid_text(explicit) if explicit is not None else self.new_uuid()
