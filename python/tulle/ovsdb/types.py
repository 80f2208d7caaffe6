"""Types of OVSDB columns (RFC 7047 section 3.2): base types with constraints, and how many of them.

Internal values, in this package and for its users:
    exactly one          str, int, float, bool or UUID
    at most one          the same, or None
    a set                frozenset of them
    a map                dict (never changed in place)
This file knows types only; `datum` knows values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from tulle.ovsdb.errors import syntax_error

Atom = str | int | float | bool | UUID
Value = Any
UNLIMITED = 2**32 - 1
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

KINDS = ("integer", "real", "boolean", "string", "uuid")
DEFAULT_ATOMS: dict[str, Atom] = {
    "integer": 0,
    "real": 0.0,
    "boolean": False,
    "string": "",
    "uuid": UUID(int=0),
}
_LIMIT_KEYS = {
    "integer": ("minInteger", "maxInteger"),
    "real": ("minReal", "maxReal"),
    "string": ("minLength", "maxLength"),
}


class Shape(Enum):
    """Which Python form the values of a column have."""

    SCALAR = "scalar"
    OPTIONAL = "optional"
    SET = "set"
    MAP = "map"


@dataclass(frozen=True, slots=True)
class BaseType:
    """An atom's kind and constraints.  `low` and `high` bound a number, or the characters of a string."""

    kind: str
    enum: tuple[Atom, ...] = ()
    low: int | float | None = None
    high: int | float | None = None
    ref_table: str | None = None
    ref_strong: bool = True


@dataclass(frozen=True, slots=True)
class ColumnType:
    """`minimum` to `maximum` atoms of type `key`, or pairs of `key` and `value`."""

    key: BaseType
    value: BaseType | None
    minimum: int
    maximum: int
    shape: Shape

    @property
    def is_composite(self) -> bool:
        """Whether update2 sends a difference rather than the new value."""
        return self.maximum > 1


def column_type(
    key: BaseType, value: BaseType | None = None, minimum: int = 1, maximum: int = 1
) -> ColumnType:
    """A column type with its shape worked out."""
    if value is not None:
        shape = Shape.MAP
    elif maximum > 1:
        shape = Shape.SET
    else:
        shape = Shape.SCALAR if minimum == 1 else Shape.OPTIONAL
    return ColumnType(key, value, minimum, maximum, shape)


def parse_type(json: object) -> ColumnType:
    """Parse a <type>."""
    if isinstance(json, str):
        return column_type(parse_base(json))
    fields = _fields(json, "type", {"key"}, {"value", "min", "max"})
    value = parse_base(fields["value"]) if "value" in fields else None
    minimum, maximum = fields.get("min", 1), fields.get("max", 1)
    if maximum == "unlimited":
        maximum = UNLIMITED
    if type(minimum) is not int or minimum not in (0, 1):
        raise syntax_error(json, '"min" must be 0 or 1')
    if type(maximum) is not int or not 1 <= maximum <= UNLIMITED:
        raise syntax_error(json, '"max" must be a positive integer or "unlimited"')
    return column_type(parse_base(fields["key"]), value, minimum, maximum)


def emit_type(column: ColumnType) -> Any:
    """The shortest <type> that means the same."""
    if column.value is None and column.minimum == column.maximum == 1:
        key = emit_base(column.key)
        return key if isinstance(key, str) else {"key": key}
    out: dict[str, Any] = {"key": emit_base(column.key)}
    if column.value is not None:
        out["value"] = emit_base(column.value)
    if column.minimum != 1:
        out["min"] = column.minimum
    if column.maximum != 1:
        out["max"] = "unlimited" if column.maximum == UNLIMITED else column.maximum
    return out


def parse_base(json: object) -> BaseType:
    """Parse a <base-type>."""
    if isinstance(json, str):
        return BaseType(_kind(json))
    limits = {key for pair in _LIMIT_KEYS.values() for key in pair}
    fields = _fields(json, "base type", {"type"}, {"enum", "refTable", "refType"} | limits)
    kind = _kind(fields["type"])
    low, high = _limits(kind, fields)
    ref_table, strong = _reference(kind, fields)
    enum = _enum(kind, fields["enum"]) if "enum" in fields else ()
    if enum and (low is not None or high is not None):
        raise syntax_error(json, "an enumeration cannot have limits too")
    return BaseType(kind, enum, low, high, ref_table, strong)


def emit_base(base: BaseType) -> Any:
    """The shortest <base-type> that means the same."""
    out: dict[str, Any] = {"type": base.kind}
    if base.enum:
        out["enum"] = ["set", list(base.enum)]
    if base.kind in _LIMIT_KEYS:
        for key, limit in zip(_LIMIT_KEYS[base.kind], (base.low, base.high), strict=True):
            if limit is not None:
                out[key] = limit
    if base.ref_table is not None:
        out["refTable"] = base.ref_table
        if not base.ref_strong:
            out["refType"] = "weak"
    return out if len(out) > 1 else base.kind


def _fields(json: object, what: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(json, dict):
        raise syntax_error(json, f"{what} must be a string or an object")
    if missing := required - json.keys():
        raise syntax_error(json, f"{what} lacks {', '.join(sorted(missing))}")
    if unknown := json.keys() - required - optional:
        raise syntax_error(json, f"{what} has unknown members {', '.join(sorted(unknown))}")
    return json


def _kind(json: object) -> str:
    if json not in KINDS or not isinstance(json, str):
        raise syntax_error(json, f"expected one of {', '.join(KINDS)}")
    return json


def _limits(kind: str, fields: dict[str, Any]) -> tuple[int | float | None, int | float | None]:
    keys = _LIMIT_KEYS.get(kind, ())
    for pair in _LIMIT_KEYS.values():
        for key in pair:
            if key in fields and key not in keys:
                raise syntax_error(fields, f"{key} does not apply to {kind}")
    allowed = (int, float) if kind == "real" else (int,)
    found = [fields.get(key) for key in keys] or [None, None]
    if any(limit is not None and type(limit) not in allowed for limit in found):
        raise syntax_error(fields, f"{' and '.join(keys)} must be numbers")
    low, high = found
    if low is not None and high is not None and low > high:
        raise syntax_error(fields, f"{' exceeds '.join(keys)}")
    return low, high


def _reference(kind: str, fields: dict[str, Any]) -> tuple[str | None, bool]:
    table, ref_type = fields.get("refTable"), fields.get("refType", "strong")
    if "refTable" not in fields:
        if "refType" in fields:
            raise syntax_error(fields, "refType needs refTable")
        return None, True
    if kind != "uuid" or not isinstance(table, str):
        raise syntax_error(fields, "refTable must be a table name, on type uuid")
    if ref_type not in ("strong", "weak"):
        raise syntax_error(fields, 'refType must be "strong" or "weak"')
    return table, ref_type == "strong"


def _enum(kind: str, json: object) -> tuple[Atom, ...]:
    items = json[1] if isinstance(json, list) and len(json) == 2 and json[0] == "set" else [json]
    types = {"integer": int, "real": float, "boolean": bool, "string": str}
    if kind not in types or not isinstance(items, list) or not items:
        raise syntax_error(json, f"not an enumeration of {kind}")
    if kind == "real":
        items = [float(item) if type(item) is int else item for item in items]
    if any(type(item) is not types[kind] for item in items):
        raise syntax_error(json, f"not an enumeration of {kind}")
    if len(set(items)) != len(items):
        raise syntax_error(json, "an enumeration must not repeat a value")
    return tuple(sorted(items))
