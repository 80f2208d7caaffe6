"""Parsers and emitters of one column's values, worked out once for its type, because they run for every row.

They accept and give what `datum.parse` and `datum.emit` do.  A parser only knows what is plainly right;
everything else, and so every error, is left to `datum.parse`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tulle.ovsdb import datum
from tulle.ovsdb.types import INTEGER_MAX, INTEGER_MIN, BaseType, ColumnType, Shape, Value

Parser = Callable[[object, datum.Names], Value]
Emitter = Callable[[Value], Any]
_UNSET = object()  # what an atom's parser gives for what it leaves to `datum`


def parser(kind: ColumnType) -> Parser:
    """A function that does `datum.parse(kind, json, names)`."""
    if kind.shape is Shape.MAP:
        return _map_parser(kind)
    if kind.shape is Shape.SET:
        return _set_parser(kind)
    atom = _atom_parser(kind.key)

    def parse(json: object, names: datum.Names) -> Value:
        value = atom(json)
        return datum.parse(kind, json, names) if value is _UNSET else value

    return parse


def _set_parser(kind: ColumnType) -> Parser:
    atom = _atom_parser(kind.key)
    minimum, maximum = kind.minimum, kind.maximum

    def parse(json: object, names: datum.Names) -> Value:
        if type(json) is list and len(json) == 2 and json[0] == "set" and type(json[1]) is list:
            members = json[1]
            found = frozenset(map(atom, members))
            if minimum <= len(members) <= maximum and len(found) == len(members) and _UNSET not in found:
                return found
        return datum.parse(kind, json, names)

    return parse


def _map_parser(kind: ColumnType) -> Parser:
    assert kind.value is not None
    key_atom, value_atom = _atom_parser(kind.key), _atom_parser(kind.value)
    minimum, maximum = kind.minimum, kind.maximum

    def parse(json: object, names: datum.Names) -> Value:
        if type(json) is list and len(json) == 2 and json[0] == "map" and type(json[1]) is list:
            pairs = json[1]
            found = {}
            for pair in pairs:
                if type(pair) is not list or len(pair) != 2:
                    break
                key, value = key_atom(pair[0]), value_atom(pair[1])
                if key is _UNSET or value is _UNSET:
                    break
                found[key] = value
            else:
                if minimum <= len(pairs) <= maximum and len(found) == len(pairs):
                    return found
        return datum.parse(kind, json, names)

    return parse


def _atom_parser(base: BaseType) -> Callable[[Any], Any]:
    if base.enum and base.kind == "string":
        return _enum_parser(frozenset(base.enum))
    if base.enum:
        return lambda _json: _UNSET
    return _PARSERS[base.kind](base)


def _enum_parser(allowed: frozenset[Any]) -> Callable[[Any], Any]:
    return lambda json: json if type(json) is str and json in allowed else _UNSET


def _string_parser(base: BaseType) -> Callable[[Any], Any]:
    if base.low is None and base.high is None:
        return lambda json: json if type(json) is str and "\0" not in json else _UNSET
    low, high = base.low or 0, math.inf if base.high is None else base.high
    return lambda json: (
        json if type(json) is str and low <= len(json) <= high and "\0" not in json else _UNSET
    )


def _integer_parser(base: BaseType) -> Callable[[Any], Any]:
    low = INTEGER_MIN if base.low is None else max(INTEGER_MIN, base.low)
    high = INTEGER_MAX if base.high is None else min(INTEGER_MAX, base.high)
    return lambda json: json if type(json) is int and low <= json <= high else _UNSET


def _boolean_parser(_base: BaseType) -> Callable[[Any], Any]:
    return lambda json: json if type(json) is bool else _UNSET


def _uuid_parser(_base: BaseType) -> Callable[[Any], Any]:
    def parse(json: Any) -> Any:
        if type(json) is list and len(json) == 2 and json[0] == "uuid" and datum.is_uuid_text(json[1]):
            return datum.uuid_of(int(json[1].replace("-", ""), 16))
        return _UNSET

    return parse


_PARSERS: dict[str, Callable[[BaseType], Callable[[Any], Any]]] = {
    "string": _string_parser,
    "integer": _integer_parser,
    "boolean": _boolean_parser,
    "uuid": _uuid_parser,
    "real": lambda _base: lambda _json: _UNSET,
}


def emitter(kind: ColumnType) -> Emitter:
    """A function that does `datum.emit(kind, value)`."""
    if kind.key.kind == "uuid" or (kind.value is not None and kind.value.kind == "uuid"):
        return lambda value: datum.emit(kind, value)
    if kind.shape is Shape.SCALAR:
        return lambda value: value
    if kind.shape is Shape.OPTIONAL:
        return lambda value: ["set", []] if value is None else value
    return _emit_set if kind.shape is Shape.SET else _emit_map


def _emit_set(value: Value) -> Any:
    if len(value) == 1:
        return next(iter(value))
    return ["set", sorted(value)]


def _emit_map(value: Value) -> Any:
    return ["map", [[key, value[key]] for key in sorted(value)]]
