"""A database: tables, transactions on them, and who is told of commits.  No sockets, clock or files.

A `Journal` (see `storage`) may keep it on disk; a commit that it cannot write fails and changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog

from tulle.ovsdb import operations as ops
from tulle.ovsdb.errors import OvsdbError, syntax_error
from tulle.ovsdb.execution import Execution, Outcome, UnfulfilledWaitError
from tulle.ovsdb.integrity import Integrity
from tulle.ovsdb.rbac import ANYBODY, Guard, Identity
from tulle.ovsdb.schema import DatabaseSchema
from tulle.ovsdb.table import Change, Row, Table

Subscriber = Callable[[list[Change]], None]
_logger = structlog.get_logger(__name__)


class Journal(Protocol):
    """Keeps commits; `append` and `sync` raise OSError when the disk refuses."""

    def append(self, schema: DatabaseSchema, changes: list[Change], comment: str) -> None:
        """Hand a commit to the operating system."""

    def sync(self) -> None:
        """Return when everything appended is on the disk."""

    def tidy(self) -> None:
        """Do what upkeep the file needs between commits."""

    def mend(self) -> None:
        """Try to get over an earlier failure; called between transactions."""

    def replace(self, database: Database) -> None:
        """Let the file hold this schema and these rows, and return when that is on the disk."""


class Database:
    """Rows of one schema.  `new_uuid` is the only source of randomness and can be replaced."""

    def __init__(
        self, schema: DatabaseSchema, *, new_uuid: Callable[[], UUID] = uuid4, journal: Journal | None = None
    ) -> None:
        self.schema = schema
        self.tables = {name: Table(table) for name, table in schema.tables.items()}
        self.journal = journal
        self.read_only = False
        self.new_uuid = new_uuid
        self._subscribers: list[Subscriber] = []
        self._pending: deque[list[Change]] = deque()
        self._notifying = False

    @property
    def name(self) -> str:
        """The database's name, from its schema."""
        return self.schema.name

    def table(self, name: str) -> Table:
        """The table of this name; raises "unknown table"."""
        self.schema.table(name)
        return self.tables[name]

    def rows(self, table: str) -> Mapping[UUID, Row]:
        """The rows of a table, by uuid; do not change it."""
        return self.table(table).rows

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with the changes of each commit, after it; the returned function ends that."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def transact(self, operations: Iterable[Any]) -> list[Any]:
        """Execute operations (wire form) and return their results once they are on disk.

        Raises the `OvsdbError` of the operation that failed; nothing is changed then.
        """
        outcome = self.execute(list(operations))
        if outcome.waiting:
            raise OvsdbError("timed out", "wait is not fulfilled")
        if outcome.failed:
            raise first_error(outcome.results)
        self._sync()
        return outcome.results

    def _sync(self) -> None:
        try:
            if self.journal is not None:
                self.journal.sync()
        except OSError as error:
            raise OvsdbError("I/O error", f"whether the change will last is unknown: {error}") from error

    def execute(
        self,
        operations: list[Any],
        owns_lock: Callable[[str], bool] = lambda _name: False,
        identity: Identity = ANYBODY,
    ) -> Outcome:
        """Execute operations as `identity`; the caller must sync the journal before it tells anybody."""
        if self.journal is not None:
            self.journal.mend()
        execution = Execution(self.tables, self.new_uuid, owns_lock)
        if identity.restricted:
            execution.guard = Guard(identity, self.tables)
        outcome = self._run(execution, operations)
        if not (outcome.failed or outcome.waiting) and execution.before:
            self._commit(execution, outcome)
        if outcome.failed or outcome.waiting:
            execution.undo()
        self._notify()
        return outcome

    def adopt(self, other: Database) -> None:
        """Take over the schema and the rows of `other`, on disk first; raises `OvsdbError` "I/O error"."""
        if self.journal is not None:
            try:
                self.journal.replace(other)
            except OSError as error:
                raise OvsdbError("I/O error", str(error)) from error
        self.schema, self.tables = other.schema, other.tables

    def load(self, changes: Iterable[tuple[str, UUID, dict[str, Any] | None]]) -> None:
        """Apply what a log record says (values in internal form; None deletes), without writing it again."""
        execution = Execution(self.tables, self.new_uuid, lambda _name: False)
        for name, uuid, values in changes:
            table = execution.table(name)
            if values is None:
                execution.put(table, uuid, None)
                continue
            base = table.rows.get(uuid) or {
                **table.schema.defaults,
                "_uuid": uuid,
                "_version": self.new_uuid(),
            }
            execution.put(table, uuid, Row({**base, **values}))
        integrity = Integrity(execution)
        try:
            integrity.check()
        except OvsdbError:
            execution.undo()
            raise
        integrity.settle()

    def _run(self, execution: Execution, operations: list[Any]) -> Outcome:
        results: list[Any] = []
        try:
            execution.name_inserts(operations)
            for operation in operations:
                if isinstance(operation, dict) and operation.get("op") in _WRITES:
                    self._allow_write(execution, operation["op"])
                results.append(ops.execute(execution, operation))
        except UnfulfilledWaitError as wait:
            timeout = wait.timeout_ms
            padding = [{"error": "timed out"}] + [None] * (len(operations) - len(results) - 1)
            return Outcome(results + padding, True, timeout != 0, timeout, frozenset(execution.awaited))
        except OvsdbError as error:
            padding = [error.emit()] + [None] * (len(operations) - len(results) - 1)
            return Outcome(results + padding, failed=True)
        return Outcome(results, durable=execution.durable)

    def _allow_write(self, execution: Execution, operation: str) -> None:
        if self.read_only:
            raise OvsdbError("not allowed", f"database {self.name} is read-only")
        if execution.guard is not None:
            execution.guard.write(operation)

    def _commit(self, execution: Execution, outcome: Outcome) -> None:
        integrity = Integrity(execution)
        try:
            integrity.check()
            if self.journal is not None and (integrity.changes or execution.comments):
                self.journal.append(self.schema, integrity.changes, "\n".join(execution.comments))
        except OvsdbError as error:
            outcome.failed = True
            outcome.results.append(error.emit())
            return
        except OSError as error:
            outcome.failed = True
            outcome.results.append(OvsdbError("I/O error", str(error)).emit())
            return
        integrity.settle()
        if integrity.changes:
            self._pending.append(integrity.changes)

    def _notify(self) -> None:
        if self._notifying:
            return  # a subscriber wrote; the outer call tells everybody in order
        self._notifying = True
        try:
            while self._pending:
                changes = self._pending.popleft()
                for subscriber in list(self._subscribers):
                    _tell(subscriber, changes)
        finally:
            self._notifying = False


_WRITES = frozenset({"insert", "update", "mutate", "delete"})


def _tell(subscriber: Subscriber, changes: list[Change]) -> None:
    """A subscriber that fails must not make a commit look failed, nor hide it from the others."""
    try:
        subscriber(changes)
    except Exception:
        _logger.exception("a subscriber failed", subscriber=repr(subscriber))


def first_error(results: list[Any]) -> OvsdbError:
    """The error in the results of a failed transaction."""
    for result in results:
        if isinstance(result, dict) and "error" in result:
            return OvsdbError.parse(result)
    return syntax_error(results, "a failed transaction names no error")
