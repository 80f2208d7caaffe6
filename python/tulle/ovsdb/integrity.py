"""What must hold when a transaction ends: references, garbage collection, indexes, row limits.

How it works: the change of each row's references is added to scratch counters; rows that nobody needs are
deleted and dead weak references removed, which dirties more rows, until nothing changes.  The tables' own
counters and indexes change only in `settle`, after every check, so a failure needs only to undo rows.
The work is proportional to the change, not to the tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TypeVar
from uuid import UUID

from tulle.ovsdb import datum
from tulle.ovsdb.errors import OvsdbError, constraint_violation
from tulle.ovsdb.execution import Execution
from tulle.ovsdb.schema import Reference
from tulle.ovsdb.table import Change, Key, Row, Table, index_key, referenced
from tulle.ovsdb.types import Shape, Value

K = TypeVar("K")
_NOTHING: Counter[UUID] = Counter()  # never changed


class Integrity:
    """The end of one transaction: `check`, then `settle`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._accounted: dict[Key, Row | None] = {}
        self._strong: Counter[Key] = Counter()
        self._weak: dict[Key, Counter[Key]] = defaultdict(Counter)
        self.changes: list[Change] = []

    def check(self) -> None:
        """Collect garbage and raise `OvsdbError` if a constraint does not hold."""
        while self._execution.dirty:
            for key in self._account():
                self._collect(key)
            if not self._execution.dirty:
                self._drop_dead_weak_references()
        self._check_strong()
        self.changes = self._real_changes()
        self._check_row_limits()
        self._check_indexes()

    def settle(self) -> None:
        """Make the counters and indexes of the tables follow, and give changed rows a new _version."""
        for change in self.changes:
            if change.old is not None and change.new is not None:
                dict.__setitem__(change.new, "_version", self._execution.new_uuid())
            self._settle_indexes(change)
        for (name, uuid), delta in self._strong.items():
            _add(self._tables[name].strong, uuid, delta)
        for (name, uuid), referrers in self._weak.items():
            counts = self._tables[name].weak.setdefault(uuid, {})
            for key, delta in referrers.items():
                _add(counts, key, delta)
            if not counts:
                del self._tables[name].weak[uuid]

    @property
    def _tables(self) -> dict[str, Table]:
        return self._execution.tables  # type: ignore[return-value]

    def _account(self) -> set[Key]:
        """Count the references of rows that changed since last time; the rows that may be garbage now."""
        suspects: set[Key] = set()
        dirty, self._execution.dirty = self._execution.dirty, []
        for key in dict.fromkeys(dirty):
            table = self._tables[key[0]]
            old = self._accounted[key] if key in self._accounted else self._execution.before[key]
            new = table.rows.get(key[1])
            self._accounted[key] = new
            suspects.add(key)
            for reference in table.schema.strong:
                for uuid, delta in _reference_changes(table, reference, old, new).items():
                    if delta > 0 and uuid not in self._tables[reference.target].rows:
                        raise _dangling(key, reference, uuid)
                    if (reference.target, uuid) != key:  # a row does not keep itself alive
                        self._strong[reference.target, uuid] += delta
                        suspects.add((reference.target, uuid))
            for reference in table.schema.weak:
                for uuid, delta in _reference_changes(table, reference, old, new).items():
                    self._weak[reference.target, uuid][key] += delta
        return suspects

    def _count(self, key: Key) -> int:
        return self._tables[key[0]].strong.get(key[1], 0) + self._strong[key]

    def _collect(self, key: Key) -> None:
        table = self._tables[key[0]]
        if not table.schema.is_root and key[1] in table.rows and self._count(key) == 0:
            self._execution.put(table, key[1], None)

    def _drop_dead_weak_references(self) -> None:
        dead = {key for key, row in self._accounted.items() if row is None}
        dead |= {key for key in self._weak if key[1] not in self._tables[key[0]].rows}
        for key in dead:
            referrers = Counter(self._tables[key[0]].weak.get(key[1], {}))
            referrers.update(self._weak.get(key, {}))
            for referrer, count in referrers.items():
                if count > 0:
                    self._forget(referrer, key)

    def _forget(self, referrer: Key, target: Key) -> None:
        table = self._tables[referrer[0]]
        row = table.rows.get(referrer[1])
        if row is None:
            return
        changes: dict[str, Value] = {}
        for reference in table.schema.weak:
            if reference.target == target[0]:
                name = reference.column
                changes[name] = _without(table, reference, changes.get(name, row[name]), target[1])
        self._execution.change(table, row, changes)

    def _check_strong(self) -> None:
        for key, row in self._accounted.items():
            if row is None and (count := self._count(key)) > 0:
                raise OvsdbError(
                    "referential integrity violation",
                    f"cannot delete row {key[1]} of table {key[0]}: {count} references to it remain",
                )

    def _real_changes(self) -> list[Change]:
        found = []
        for key, old in self._execution.before.items():
            new = self._tables[key[0]].rows.get(key[1])
            if new is old or (old is not None and new is not None and new == old):
                continue
            found.append(Change(key[0], key[1], old, new))
        return found

    def _check_row_limits(self) -> None:
        for name in {change.table for change in self.changes if change.old is None}:
            table = self._tables[name]
            if table.schema.max_rows is not None and len(table.rows) > table.schema.max_rows:
                raise constraint_violation(f"table {name} may have only {table.schema.max_rows} rows")

    def _check_indexes(self) -> None:
        claimed: dict[tuple[str, int, tuple[object, ...]], UUID] = {}
        changed = {(change.table, change.uuid) for change in self.changes}
        for change in self.changes:
            if change.new is None:
                continue
            table = self._tables[change.table]
            for number, columns in enumerate(table.schema.indexes):
                value = index_key(columns, change.new)
                owner = table.indexes[number].get(value)
                if owner is not None and (change.table, owner) in changed:
                    owner = None
                other = claimed.setdefault((change.table, number, value), change.uuid)
                owner = other if other != change.uuid else owner
                if owner is not None:
                    raise constraint_violation(
                        f"rows {owner} and {change.uuid} of table {change.table} have the same value of "
                        f"index {', '.join(columns)}: {value}"
                    )

    def _settle_indexes(self, change: Change) -> None:
        table = self._tables[change.table]
        for columns, index in zip(table.schema.indexes, table.indexes, strict=True):
            if change.old is not None:
                value = index_key(columns, change.old)
                if index.get(value) == change.uuid:
                    del index[value]
            if change.new is not None:
                index[index_key(columns, change.new)] = change.uuid


def _dangling(key: Key, reference: Reference, uuid: UUID) -> OvsdbError:
    return OvsdbError(
        "referential integrity violation",
        f"column {reference.column} of row {key[1]} of table {key[0]} refers to row {uuid} of table "
        f"{reference.target}, which is not there",
    )


def _reference_changes(table: Table, reference: Reference, old: Row | None, new: Row | None) -> Counter[UUID]:
    before = None if old is None else old[reference.column]
    after = None if new is None else new[reference.column]
    if before is after or not (before or after):
        return _NOTHING
    shape = table.schema.columns[reference.column].type.shape
    found: Counter[UUID] = Counter()
    if shape is Shape.SET:
        before, after = before or frozenset(), after or frozenset()
        found.update(after - before)
        found.subtract(before - after)
        return found
    if new is not None:
        found.update(referenced(reference, shape, after))
    if old is not None:
        found.subtract(referenced(reference, shape, before))
    return found


def _without(table: Table, reference: Reference, value: Value, uuid: UUID) -> Value:
    kind = table.schema.columns[reference.column].type
    members: object
    if kind.shape is Shape.MAP:
        part = 0 if reference.part == "key" else 1
        members = {pair[0]: pair[1] for pair in value.items() if pair[part] != uuid}
        datum.check_size(kind, len(members))
        return members
    members = datum.as_set(kind, value) - {uuid}
    datum.check_size(kind, len(members))
    return datum.from_set(kind, members)


def _add(counts: dict[K, int], key: K, delta: int) -> None:
    count = counts.get(key, 0) + delta
    if count:
        counts[key] = count
    else:
        counts.pop(key, None)
