"""The JSON Schema of the network file (draft 2020-12), found by watching the reader read.

The reader says which keys it asks for, as what.  It is given files that grow by what it asked for last time, until
it asks for nothing new; so the schema has what the reader knows, and cannot fall behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from tulle.errors import InvalidInput

from . import tree
from .file import read_file
from .reader import Complaints

ROOT: Final = "the file"
PASSES_MAX: Final = 20
FEW: Final = ("choice", "boolean", "integer", "texts", "text")
"""Kinds of values, what says most first."""

Schema = dict[str, Any]


def file_schema() -> Schema:
    """The schema, as JSON."""
    watched = _watched()
    definitions = {_name(what): watched.mapping(what) for what in sorted(watched.known) if what != ROOT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tulle networks",
        **watched.mapping(ROOT),
        "$defs": definitions,
    }


class _Watched(Complaints):
    """What the reader has asked for: by mapping and key, the kinds of values; below which keys which mappings are."""

    def __init__(self) -> None:
        super().__init__("")
        self.known: dict[str, Sequence[str]] = {}
        self.kinds: defaultdict[tuple[str, str], dict[str, object]] = defaultdict(dict)
        self.below: dict[tuple[str, str], str] = {}
        self._places: dict[int, tuple[str, str]] = {}
        self._alive: list[tree.Mapping] = []  # so that no two of them have the same id

    def began(self, node: tree.Tree, what: str, known: Sequence[str]) -> None:
        self.known[what] = known
        if id(node) in self._places:
            self.below[self._places[id(node)]] = what

    def asked(self, what: str, key: str, kind: str, facts: object = None) -> None:
        self.kinds[what, key][kind] = facts

    def document(self, scalar: tree.Scalar | None = None, what: str = ROOT, depth: int = 0) -> tree.Mapping:
        """A mapping with an empty mapping, or a list of one, wherever such a thing was asked for.

        With `scalar`, that stands where something was asked for of which it is not known what it is.
        """
        made = tree.Mapping(1)
        self._alive.append(made)
        for key in self.known.get(what, ()):
            kinds = self.kinds[what, key]
            if not (kinds.keys() & {"list", "child"}) or "texts" in kinds or depth > tree.DEPTH_MAX:
                continue
            inner = self.document(scalar, self.below.get((what, key), ""), depth + 1)
            self._places[id(inner)] = (what, key)
            made.items[key] = tree.Sequence(1, [inner]) if "list" in kinds else scalar or inner
            made.key_lines[key] = 1
        return made

    def mapping(self, what: str) -> Schema:
        """The schema of one mapping."""
        keys = self.known[what]
        needed = [key for key in keys if self._is_needed(self.kinds[what, key])]
        made: Schema = {"type": "object", "properties": {key: self._value(what, key) for key in keys}}
        return {**made, **({"required": needed} if needed else {}), "additionalProperties": False}

    def _is_needed(self, kinds: dict[str, object]) -> bool:
        """Who asks first whether something is there can do without it."""
        return bool(kinds.keys() & {"needed", "choice"}) and "child" not in kinds

    def _value(self, what: str, key: str) -> Schema:
        kinds, inner = self.kinds[what, key], self.below.get((what, key))
        if inner is not None:
            reference = {"$ref": f"#/$defs/{_name(inner)}"}
            whole = {"type": "array", "items": reference} if "list" in kinds else reference
            return (
                whole
                if "list" in kinds or not kinds.keys() & set(FEW)
                else {"anyOf": [_scalar(kinds), whole]}
            )
        return _scalar(kinds)


def _scalar(kinds: dict[str, object]) -> Schema:
    facts = {kind: kinds[kind] for kind in FEW if kind in kinds}
    match next(iter(facts.items()), ("", None)):
        case "choice", (*words,):
            return {"enum": words}
        case "integer", (low, high):
            return {"type": "integer", "minimum": low, "maximum": high}
        case "boolean", _:
            return {"type": "boolean"}
        case "texts", _:
            return {"type": "array", "items": {"type": "string"}}
        case "text", _:
            return {"type": "string"}
    return {}


def _name(what: str) -> str:
    return what.replace(" ", "_")


def _watched() -> _Watched:
    watched, seen = _Watched(), -1
    for _ in range(PASSES_MAX):
        for scalar in (None, tree.Scalar(1, "true")):
            with suppress(InvalidInput):
                read_file(watched.document(scalar), watched)
        found = len(watched.below) + len(watched.kinds) + len(watched.known)
        if found == seen:
            break
        seen = found
    return watched
