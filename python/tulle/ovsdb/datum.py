"""Values of columns: wire form (RFC 7047 section 5.1) to internal form and back, constraints checked.

The internal forms are listed in `types`.  Named uuids are resolved while parsing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, SafeUUID

from tulle.ovsdb.errors import constraint_violation, syntax_error
from tulle.ovsdb.types import (
    DEFAULT_ATOMS,
    INTEGER_MAX,
    INTEGER_MIN,
    UNLIMITED,
    Atom,
    BaseType,
    ColumnType,
    Shape,
    Value,
)

Names = Mapping[str, UUID]
NO_NAMES: Names = {}
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_new, _set = object.__new__, object.__setattr__


@dataclass(frozen=True, slots=True)
class NamedUuid:
    """Stands for the uuid of a row that the same transaction inserts under this name."""

    name: str


def parse(kind: ColumnType, json: object, names: Names = NO_NAMES) -> Value:
    """Parse a <value> for a column of type `kind`."""
    shape = kind.shape
    if shape is Shape.SCALAR and not (type(json) is list and json and json[0] == "set"):
        return parse_atom(kind.key, json, names)
    if shape is Shape.MAP:
        return _parse_map(kind, json, names)
    return from_set(kind, parse_set(kind.key, json, names, kind.minimum, kind.maximum))


def parse_set(
    base: BaseType, json: object, names: Names, minimum: int = 0, maximum: int = UNLIMITED
) -> frozenset[Atom]:
    """Parse a <set> or a lone <atom> that stands for a set of one."""
    if not (type(json) is list and len(json) == 2 and json[0] == "set"):
        return frozenset((parse_atom(base, json, names),))
    items = _members(json, minimum, maximum)
    atoms = frozenset([parse_atom(base, item, names) for item in items])
    if len(atoms) != len(items):
        raise syntax_error(json, "a set must not repeat a value")
    return atoms


def _parse_map(kind: ColumnType, json: object, names: Names) -> dict[Atom, Atom]:
    assert kind.value is not None
    if not (type(json) is list and len(json) == 2 and json[0] == "map"):
        raise syntax_error(json, 'expected ["map", [...]]')
    out: dict[Atom, Atom] = {}
    items = _members(json, kind.minimum, kind.maximum)
    for pair in items:
        if type(pair) is not list or len(pair) != 2:
            raise syntax_error(pair, "expected a pair of key and value")
        out[parse_atom(kind.key, pair[0], names)] = parse_atom(kind.value, pair[1], names)
    if len(out) != len(items):
        raise syntax_error(json, "a map must not repeat a key")
    return out


def _members(json: list[Any], minimum: int, maximum: int) -> list[Any]:
    members = json[1]
    if type(members) is not list:
        raise syntax_error(json, f"{json[0]} needs an array")
    if not minimum <= len(members) <= maximum:
        raise syntax_error(
            json, f"{json[0]} must have {minimum} to {_count(maximum)} members, not {len(members)}"
        )
    return members


def parse_atom(base: BaseType, json: object, names: Names = NO_NAMES) -> Atom:
    """Parse an <atom> and check its constraints."""
    atom = _ATOM_PARSERS[base.kind](json, names)
    check_atom(base, atom)
    return atom


def _parse_integer(json: object, _names: Names) -> Atom:
    if type(json) is float and json.is_integer() and INTEGER_MIN <= json < INTEGER_MAX:
        return int(json)
    if type(json) is not int or not INTEGER_MIN <= json <= INTEGER_MAX:
        raise syntax_error(json, "expected an integer of 64 bits")
    return json


def _parse_real(json: object, _names: Names) -> Atom:
    if type(json) not in (int, float) or not math.isfinite(json):  # type: ignore[arg-type]
        raise syntax_error(json, "expected a number")
    return float(json) + 0.0  # type: ignore[arg-type]


def _parse_boolean(json: object, _names: Names) -> Atom:
    if type(json) is not bool:
        raise syntax_error(json, "expected a boolean")
    return json


def _parse_string(json: object, _names: Names) -> Atom:
    if type(json) is not str:
        raise syntax_error(json, "expected a string")
    if "\0" in json:
        raise constraint_violation("a string must not contain a null character")
    return json


def _parse_uuid(json: object, names: Names) -> Atom:
    if type(json) is list and len(json) == 2 and type(json[1]) is str:
        if json[0] == "uuid":
            return parse_uuid_text(json[1])
        if json[0] == "named-uuid":
            if (uuid := names.get(json[1])) is not None:
                return uuid
            raise syntax_error(json, "no insert of this transaction has this uuid-name")
    raise syntax_error(json, 'expected ["uuid", "…"] or ["named-uuid", "…"]')


_ATOM_PARSERS = {
    "integer": _parse_integer,
    "real": _parse_real,
    "boolean": _parse_boolean,
    "string": _parse_string,
    "uuid": _parse_uuid,
}


def parse_uuid_text(text: object) -> UUID:
    """A uuid in its 36 character form."""
    if not is_uuid_text(text):
        raise syntax_error(text, "not a uuid")
    return uuid_of(int(text.replace("-", ""), 16))  # type: ignore[attr-defined]


def is_uuid_text(text: object) -> bool:
    """Whether this is a uuid in its 36 character form."""
    return type(text) is str and _UUID.fullmatch(text) is not None


def uuid_of(number: int) -> UUID:
    """The uuid with this value of 128 bits, made without the checks and forms that UUID() goes through."""
    uuid = _new(UUID)
    _set(uuid, "int", number)
    _set(uuid, "is_safe", SafeUUID.unknown)
    return uuid


def is_name(json: object) -> bool:
    """Whether this is an <id> (RFC 7047 section 3.1)."""
    return type(json) is str and _NAME.fullmatch(json) is not None


def check_atom(base: BaseType, atom: Atom) -> None:
    """Raise "constraint violation" when an atom is outside its enumeration or limits."""
    if base.enum:
        if atom not in base.enum:
            raise constraint_violation(f"{atom!r} is not one of the allowed values {list(base.enum)}")
        return
    if base.low is None and base.high is None:
        return
    number = len(atom) if isinstance(atom, str) else atom
    assert isinstance(number, int | float)
    what = f"length of {atom!r}" if isinstance(atom, str) else f"{atom}"
    if base.low is not None and number < base.low:
        raise constraint_violation(f"{what} is below the minimum {base.low}")
    if base.high is not None and number > base.high:
        raise constraint_violation(f"{what} is above the maximum {base.high}")


def check(kind: ColumnType, value: Value) -> None:
    """Raise "constraint violation" when an atom of a value is outside its enumeration or limits."""
    for member in as_set(kind, value):
        if kind.value is None:
            check_atom(kind.key, member)
        else:
            check_atom(kind.key, member[0])
            check_atom(kind.value, member[1])


def check_size(kind: ColumnType, size: int) -> None:
    """Raise "constraint violation" when a value has too few or too many members."""
    if not kind.minimum <= size <= kind.maximum:
        raise constraint_violation(
            f"{size} values where the type needs {kind.minimum} to {_count(kind.maximum)}"
        )


def _count(maximum: int) -> str:
    return "any number of" if maximum == UNLIMITED else str(maximum)


def as_set(kind: ColumnType, value: Value) -> frozenset[Any]:
    """The members of a value, as a set; of a map, its pairs."""
    if kind.shape is Shape.SET:
        return value  # type: ignore[no-any-return]
    if kind.shape is Shape.MAP:
        return frozenset(value.items())
    return frozenset(() if value is None else (value,))


def from_set(kind: ColumnType, members: frozenset[Any]) -> Value:
    """The internal value that has these members; the size must fit already."""
    if kind.shape is Shape.SET:
        return members
    if kind.shape is Shape.MAP:
        return dict(members)
    return next(iter(members), None)


def default(kind: ColumnType) -> Value:
    """The value of a column that an insert leaves out (RFC 7047 section 5.2.1); it may break constraints."""
    if kind.shape is Shape.OPTIONAL:
        return None
    atom = DEFAULT_ATOMS[kind.key.kind]
    if kind.shape is Shape.SCALAR:
        return atom
    if kind.shape is Shape.SET:
        return frozenset((atom,)) if kind.minimum else frozenset()
    assert kind.value is not None
    return {atom: DEFAULT_ATOMS[kind.value.kind]} if kind.minimum else {}


def emit(kind: ColumnType, value: Value) -> Any:
    """The wire form; members of sets and maps are sorted, so equal values give equal bytes."""
    shape = kind.shape
    is_uuid = kind.key.kind == "uuid"
    if shape is Shape.SCALAR:
        return ["uuid", str(value)] if is_uuid else value
    if shape is Shape.OPTIONAL:
        if value is None:
            return ["set", []]
        return ["uuid", str(value)] if is_uuid else value
    if shape is Shape.SET:
        if len(value) == 1:
            return emit_atom(next(iter(value)))
        return ["set", [["uuid", str(atom)] for atom in sorted(value)] if is_uuid else sorted(value)]
    return ["map", emit_pairs(value)]


def emit_pairs(pairs: Mapping[Atom, Atom]) -> list[list[Any]]:
    """The pairs of a map, sorted by key."""
    return [[emit_atom(key), emit_atom(value)] for key, value in sorted(pairs.items())]


def emit_atom(atom: Any) -> Any:
    """The wire form of one atom."""
    if isinstance(atom, UUID):
        return ["uuid", str(atom)]
    if isinstance(atom, NamedUuid):
        return ["named-uuid", atom.name]
    return atom


def emit_python(kind: ColumnType, value: Any) -> Any:
    """The wire form of what a user passed: also lists, sets and `NamedUuid`; the server checks the rest."""
    if kind.shape is Shape.MAP:
        return ["map", [[emit_atom(key), emit_atom(atom)] for key, atom in dict(value).items()]]
    if isinstance(value, set | frozenset | list | tuple):
        return ["set", [emit_atom(atom) for atom in value]]
    return ["set", []] if value is None else emit_atom(value)
