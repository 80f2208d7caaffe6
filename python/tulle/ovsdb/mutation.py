"""Mutations (RFC 7047 section 5.1): arithmetic on numbers, insert and delete on sets and maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from tulle.ovsdb import datum
from tulle.ovsdb.errors import OvsdbError, constraint_violation, syntax_error
from tulle.ovsdb.schema import Column, TableSchema
from tulle.ovsdb.types import INTEGER_MAX, INTEGER_MIN, UNLIMITED, BaseType, ColumnType, Shape, Value

Mutation = tuple[Column, Callable[[Value], Value]]
_ARITHMETIC = ("+=", "-=", "*=", "/=", "%=")


def parse_mutations(table: TableSchema, json: object, names: datum.Names = datum.NO_NAMES) -> list[Mutation]:
    """Parse a `mutations` array into columns and the function to apply to each one's value."""
    if not isinstance(json, list):
        raise syntax_error(json, "mutations must be an array")
    return [_parse_mutation(table, item, names) for item in json]


def apply(mutations: list[Mutation], row: Mapping[str, Value]) -> dict[str, Value]:
    """The columns that the mutations, in order, give new values."""
    changes: dict[str, Value] = {}
    for column, change in mutations:
        name = column.name
        changes[name] = change(changes[name] if name in changes else row[name])
    return changes


def _parse_mutation(table: TableSchema, json: object, names: datum.Names) -> Mutation:
    if not isinstance(json, list) or len(json) != 3:
        raise syntax_error(json, "a mutation must be [column, mutator, value]")
    column, mutator = table.column(json[0]), json[1]
    if not column.mutable:
        raise constraint_violation(f"column {column.name} of table {table.name} cannot change")
    if mutator in _ARITHMETIC:
        return column, _arithmetic(column, mutator, json, names)
    if mutator == "insert":
        return column, _insertion(column, json, names)
    if mutator == "delete":
        return column, _deletion(column, json, names)
    raise syntax_error(json, f"expected one of {', '.join(_ARITHMETIC)}, insert, delete")


def _arithmetic(
    column: Column, mutator: str, json: list[Any], names: datum.Names
) -> Callable[[Value], Value]:
    kind = column.type
    if (
        kind.key.kind not in ("integer", "real")
        or kind.shape is Shape.MAP
        or (mutator == "%=" and kind.key.kind == "real")
    ):
        raise syntax_error(json, f"{mutator} does not apply to column {column.name}")
    operand = datum.parse_atom(BaseType(kind.key.kind), json[2], names)
    calculate = _integer if kind.key.kind == "integer" else _real

    def change(value: Value) -> Value:
        results = [calculate(mutator, atom, operand) for atom in datum.as_set(kind, value)]
        for result in results:
            datum.check_atom(kind.key, result)
        members = frozenset(results)
        if len(members) != len(results):
            raise constraint_violation(f"{mutator} makes two members of column {column.name} equal")
        return datum.from_set(kind, members)

    return change


def _integer(mutator: str, left: int, right: Any) -> int:
    if mutator == "+=":
        result = left + right
    elif mutator == "-=":
        result = left - right
    elif mutator == "*=":
        result = left * right
    else:
        if right == 0:
            raise OvsdbError("domain error", "division by zero")
        # C's division: towards zero, and the remainder has the dividend's sign.
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        result = quotient if mutator == "/=" else left - quotient * right
    if not INTEGER_MIN <= result <= INTEGER_MAX:
        raise OvsdbError("range error", "result does not fit a 64-bit integer")
    return int(result)


def _real(mutator: str, left: float, right: Any) -> float:
    if mutator == "/=" and right == 0:
        raise OvsdbError("domain error", "division by zero")
    operations = {"+=": left.__add__, "-=": left.__sub__, "*=": left.__mul__, "/=": left.__truediv__}
    result = operations[mutator](right)
    if not math.isfinite(result):
        raise OvsdbError("range error", "result is not a finite number")
    return result + 0.0


def _insertion(column: Column, json: list[Any], names: datum.Names) -> Callable[[Value], Value]:
    kind = column.type
    if kind.shape is Shape.SCALAR:
        raise syntax_error(json, f"insert does not apply to column {column.name}")
    if kind.shape is Shape.MAP:
        pairs = datum.parse(_loose(column, kind.maximum), json[2], names)
        # Keys that are there already keep their value (RFC 7047 section 5.1).
        return lambda value: _sized(column, {**pairs, **value})
    members = datum.parse_set(kind.key, json[2], names, 0, kind.maximum)
    return lambda value: _sized(column, datum.as_set(kind, value) | members)


def _deletion(column: Column, json: list[Any], names: datum.Names) -> Callable[[Value], Value]:
    kind = column.type
    if kind.shape is Shape.SCALAR:
        raise syntax_error(json, f"delete does not apply to column {column.name}")
    if kind.shape is not Shape.MAP:
        members = datum.parse_set(kind.key, json[2], names)
        return lambda value: _sized(column, datum.as_set(kind, value) - members)
    if isinstance(json[2], list) and json[2] and json[2][0] == "map":
        pairs = datum.parse(_loose(column), json[2], names)
        return lambda value: _sized(column, dict(value.items() - pairs.items()))
    keys = datum.parse_set(kind.key, json[2], names)
    return lambda value: _sized(column, {key: atom for key, atom in value.items() if key not in keys})


def _loose(column: Column, maximum: int = UNLIMITED) -> ColumnType:
    return ColumnType(column.type.key, column.type.value, 0, maximum, Shape.MAP)


def _sized(column: Column, members: Any) -> Value:
    datum.check_size(column.type, len(members))
    return members if isinstance(members, dict) else datum.from_set(column.type, members)
