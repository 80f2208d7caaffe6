"""What happened to a row, for those who follow a database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from tulle.ovsdb.table import Change, Row


@dataclass(frozen=True, slots=True)
class RowInserted:
    """A row came to be, or came into view."""

    table: str
    uuid: UUID
    row: Row


@dataclass(frozen=True, slots=True)
class RowUpdated:
    """Columns of a row changed; `changed` names them."""

    table: str
    uuid: UUID
    row: Row
    old: Row

    @property
    def changed(self) -> frozenset[str]:
        """The columns whose values differ."""
        return frozenset(
            name for name, value in self.row.items() if name != "_version" and self.old.get(name) != value
        )


@dataclass(frozen=True, slots=True)
class RowDeleted:
    """A row is gone, or out of view; `row` is what it was."""

    table: str
    uuid: UUID
    row: Row


RowEvent = RowInserted | RowUpdated | RowDeleted


def row_event(change: Change) -> RowEvent:
    """The event of one change."""
    if change.old is None:
        assert change.new is not None
        return RowInserted(change.table, change.uuid, change.new)
    if change.new is None:
        return RowDeleted(change.table, change.uuid, change.old)
    return RowUpdated(change.table, change.uuid, change.new, change.old)


def change_of(event: RowEvent) -> Change:
    """The change that an event tells of."""
    if isinstance(event, RowInserted):
        return Change(event.table, event.uuid, None, event.row)
    if isinstance(event, RowDeleted):
        return Change(event.table, event.uuid, event.row, None)
    return Change(event.table, event.uuid, event.old, event.row)
