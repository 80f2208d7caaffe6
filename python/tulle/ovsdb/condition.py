"""Conditions of `where` (RFC 7047 section 5.1): parsed once, then asked of each row."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tulle.ovsdb import datum
from tulle.ovsdb.errors import syntax_error
from tulle.ovsdb.schema import Column, TableSchema
from tulle.ovsdb.types import UNLIMITED, ColumnType, Shape, Value

Test = Callable[[Mapping[str, Value]], bool]
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_FUNCTIONS = ("==", "!=", "includes", "excludes", *_ORDER)


@dataclass(frozen=True, slots=True)
class Condition:
    """All of `tests` must hold.  `uuid` is set when only that row can match; `equals` helps an index."""

    tests: tuple[Test, ...]
    uuid: UUID | None = None
    equals: tuple[tuple[str, Value], ...] = ()

    def matches(self, row: Mapping[str, Value]) -> bool:
        """Whether the row fulfils every clause."""
        return all(test(row) for test in self.tests)


def parse_where(table: TableSchema, json: object, names: datum.Names = datum.NO_NAMES) -> Condition:
    """Parse the array of a `where` member."""
    if not isinstance(json, list):
        raise syntax_error(json, "where must be an array of conditions")
    tests: list[Test] = []
    equals: list[tuple[str, Value]] = []
    uuid = None
    for clause in json:
        if type(clause) is bool:
            tests.append(_constant(clause))
            continue
        column, function, argument = _parse_clause(table, clause, names)
        tests.append(_test(column, function, argument))
        if function == "==":
            equals.append((column.name, argument))
            uuid = argument if column.name == "_uuid" else uuid
    return Condition(tuple(tests), uuid, tuple(equals))


def _parse_clause(table: TableSchema, clause: object, names: datum.Names) -> tuple[Column, str, Value]:
    if not isinstance(clause, list) or len(clause) != 3:
        raise syntax_error(clause, "a condition must be [column, function, value]")
    column = table.column(clause[0])
    function = clause[1]
    if function not in _FUNCTIONS or not isinstance(function, str):
        raise syntax_error(clause, f"expected one of {', '.join(_FUNCTIONS)}")
    if function in _ORDER and not _is_number(column):
        raise syntax_error(clause, f"{function} needs a column of one number")
    if function in ("includes", "excludes"):
        return column, function, _parse_part(column, function, clause[2], names)
    return column, function, datum.parse(column.type, clause[2], names)


def _is_number(column: Column) -> bool:
    return column.type.key.kind in ("integer", "real") and column.type.maximum == 1 and not column.type.value


def _parse_part(column: Column, function: str, json: object, names: datum.Names) -> frozenset[Any]:
    """The members named by includes and excludes, which may be fewer than the column's minimum."""
    kind = column.type
    maximum = kind.maximum if function == "includes" else UNLIMITED
    if kind.shape is Shape.MAP:
        loose = ColumnType(kind.key, kind.value, 0, maximum, kind.shape)
        return frozenset(datum.parse(loose, json, names).items())
    return datum.parse_set(kind.key, json, names, 0, maximum)


def _constant(value: bool) -> Test:
    return lambda _row: value


def _test(column: Column, function: str, argument: Value) -> Test:
    name, kind = column.name, column.type
    if function == "==":
        return lambda row: bool(row[name] == argument)
    if function == "!=":
        return lambda row: bool(row[name] != argument)
    if function == "includes":
        return lambda row: argument <= datum.as_set(kind, row[name])
    if function == "excludes":
        return lambda row: argument.isdisjoint(datum.as_set(kind, row[name]))
    compare = _ORDER[function]
    if kind.shape is Shape.OPTIONAL:
        return lambda row: row[name] is not None and compare(row[name], argument)
    return lambda row: compare(row[name], argument)
