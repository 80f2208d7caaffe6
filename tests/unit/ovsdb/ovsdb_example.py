"""A small schema that has every kind of column, reference and constraint, and counted uuids."""

from __future__ import annotations

import itertools
from uuid import UUID

from tulle.ovsdb.database import Database
from tulle.ovsdb.schema import parse_schema

EXAMPLE = {
    "name": "Example",
    "version": "1.0.0",
    "tables": {
        "Root": {
            "isRoot": True,
            "indexes": [["name"], ["number", "flags"]],
            "columns": {
                "name": {"type": "string"},
                "number": {"type": {"key": {"type": "integer", "maxInteger": 1000}}},
                "flags": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "few": {"type": {"key": "integer", "min": 0, "max": 3}},
                "ratio": {"type": "real"},
                "color": {"type": {"key": {"type": "string", "enum": ["set", ["red", "green"]]}, "min": 0}},
                "options": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                "fixed": {"type": "integer", "mutable": False},
                "fleeting": {"type": "integer", "ephemeral": True},
                "parts": {
                    "type": {"key": {"type": "uuid", "refTable": "Part"}, "min": 0, "max": "unlimited"}
                },
                "friend": {
                    "type": {"key": {"type": "uuid", "refTable": "Root", "refType": "weak"}, "min": 0}
                },
            },
        },
        "Part": {
            "columns": {
                "label": {"type": {"key": {"type": "string", "minLength": 0, "maxLength": 8}}},
                "child": {"type": {"key": {"type": "uuid", "refTable": "Part"}, "min": 0}},
                "owner": {"type": {"key": {"type": "uuid", "refTable": "Root", "refType": "weak"}}},
                "by_name": {
                    "type": {
                        "key": "string",
                        "value": {"type": "uuid", "refTable": "Root", "refType": "weak"},
                        "min": 0,
                        "max": "unlimited",
                    }
                },
            },
        },
        "Single": {"isRoot": True, "maxRows": 1, "columns": {"value": {"type": "integer"}}},
    },
}


def counted_uuids():
    """Uuids 1, 2, 3, ..."""
    numbers = itertools.count(1)
    return lambda: UUID(int=next(numbers))


def example_database(**named) -> Database:
    """An empty database of the example schema."""
    return Database(parse_schema(EXAMPLE), new_uuid=counted_uuids(), **named)


def insert(table: str, row: dict | None = None, **members) -> dict:
    """An insert operation."""
    return {"op": "insert", "table": table, "row": row or {}, **members}


def root(name: str, **row) -> dict:
    """An insert of a root row whose indexes are free."""
    return insert("Root", {"name": name, "flags": name, **row})
