"""Rows and tables in memory.  A committed row never changes: a change replaces it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from tulle.ovsdb.condition import Condition
from tulle.ovsdb.schema import Reference, TableSchema
from tulle.ovsdb.types import Shape, Value

Key = tuple[str, UUID]


class Row(dict[str, Any]):
    """A frozen mapping of column to value, with _uuid and _version; the values' forms are in `types`."""

    __slots__ = ()

    @property
    def uuid(self) -> UUID:
        """The row's uuid."""
        return self["_uuid"]  # type: ignore[no-any-return]

    def _frozen(self, *_args: object, **_named: object) -> NoReturn:
        raise TypeError("a row cannot be changed; write a transaction")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _frozen


class Change(NamedTuple):
    """One row before and after a transaction: `old` is None for an insert, `new` for a delete."""

    table: str
    uuid: UUID
    old: Row | None
    new: Row | None


class Table:
    """The rows of one table, with its indexes and who refers to its rows.

    `strong` counts the strong references to each row; `weak` names the rows that refer weakly to it.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self.rows: dict[UUID, Row] = {}
        self.indexes: list[dict[tuple[Any, ...], UUID]] = [{} for _ in schema.indexes]
        self.strong: dict[UUID, int] = {}
        self.weak: dict[UUID, dict[Key, int]] = {}

    def matching(self, condition: Condition) -> list[Row]:
        """The rows that match, found by uuid or by an index where the condition allows."""
        return [row for row in self._candidates(condition) if condition.matches(row)]

    def _candidates(self, condition: Condition) -> Iterable[Row]:
        if condition.uuid is None:
            return self.rows.values()
        row = self.rows.get(condition.uuid)
        return () if row is None else (row,)


def index_key(columns: tuple[str, ...], row: Mapping[str, Value]) -> tuple[Any, ...]:
    """The row's value in an index."""
    values = [row[name] for name in columns]
    return tuple([frozenset(value.items()) if isinstance(value, dict) else value for value in values])


def referenced(reference: Reference, shape: Shape, value: Value) -> Iterator[UUID]:
    """The uuids that one column's value refers to at this reference."""
    if shape is Shape.MAP:
        yield from value.keys() if reference.part == "key" else value.values()
    elif shape is Shape.SET:
        yield from value
    elif value is not None:
        yield value
