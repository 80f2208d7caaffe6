"""Database schemas (RFC 7047 section 3.2): parsed, checked and with what execution needs worked out once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from tulle.errors import InvalidInput, NotFound
from tulle.ovsdb import datum
from tulle.ovsdb.columns import Emitter, Parser, emitter, parser
from tulle.ovsdb.errors import OvsdbError, syntax_error
from tulle.ovsdb.types import BaseType, ColumnType, Value, column_type, emit_type, parse_type

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


@dataclass(frozen=True)
class Column:
    """One column; `default` is shared by all rows that leave it out."""

    name: str
    type: ColumnType
    mutable: bool = True
    ephemeral: bool = False
    default: Value = None

    @cached_property
    def parse(self) -> Parser:
        """Parses a value of this column, as `datum.parse` does."""
        return parser(self.type)

    @cached_property
    def emit(self) -> Emitter:
        """Emits a value of this column, as `datum.emit` does."""
        return emitter(self.type)


@dataclass(frozen=True)
class Reference:
    """A place of references in a table: the keys or the values (`part`) of a column refer to `target`."""

    column: str
    part: str
    target: str


UUID_COLUMN = Column(
    "_uuid", column_type(BaseType("uuid")), mutable=False, ephemeral=True, default=UUID(int=0)
)
VERSION_COLUMN = Column(
    "_version", column_type(BaseType("uuid")), mutable=False, ephemeral=True, default=UUID(int=0)
)


@dataclass(frozen=True)
class TableSchema:
    """One table.  `columns` are those of the schema; `all_columns` adds _uuid and _version."""

    name: str
    columns: Mapping[str, Column]
    is_root: bool = False
    max_rows: int | None = None
    indexes: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def all_columns(self) -> Mapping[str, Column]:
        """Every column, with _uuid and _version."""
        return {**self.columns, "_uuid": UUID_COLUMN, "_version": VERSION_COLUMN}

    @cached_property
    def defaults(self) -> Mapping[str, Value]:
        """The values of a row that sets nothing."""
        return {name: column.default for name, column in self.columns.items()}

    @cached_property
    def insert_parsers(self) -> Mapping[str, Parser]:
        """The parsers of the columns that an insert may set."""
        return {name: column.parse for name, column in self.columns.items()}

    @cached_property
    def update_parsers(self) -> Mapping[str, Parser]:
        """The parsers of the columns that an update may set."""
        return {name: column.parse for name, column in self.columns.items() if column.mutable}

    @cached_property
    def must_be_set(self) -> tuple[Column, ...]:
        """The columns whose default breaks their constraints, so that every insert must set them."""
        return tuple(column for column in self.columns.values() if not _is_default_valid(column))

    @cached_property
    def strong(self) -> tuple[Reference, ...]:
        """Where this table refers strongly."""
        return tuple(self._references(strong=True))

    @cached_property
    def weak(self) -> tuple[Reference, ...]:
        """Where this table refers weakly."""
        return tuple(self._references(strong=False))

    def _references(self, strong: bool) -> list[Reference]:
        found = []
        for column in self.columns.values():
            for part, base in (("key", column.type.key), ("value", column.type.value)):
                if base is not None and base.ref_table is not None and base.ref_strong == strong:
                    found.append(Reference(column.name, part, base.ref_table))
        return found

    def column(self, name: object) -> Column:
        """The column of this name; raises "unknown column"."""
        found = self.all_columns.get(name) if isinstance(name, str) else None
        if found is None:
            raise OvsdbError("unknown column", f"no column {name} in table {self.name}", syntax=name)
        return found


@dataclass(frozen=True)
class DatabaseSchema:
    """A whole schema; `emit()` gives the <database-schema> back."""

    name: str
    version: str
    tables: Mapping[str, TableSchema]
    cksum: str | None = field(default=None, compare=False)

    def table(self, name: object) -> TableSchema:
        """The table of this name; raises "unknown table"."""
        found = self.tables.get(name) if isinstance(name, str) else None
        if found is None:
            raise OvsdbError("unknown table", f"no table {name} in database {self.name}", syntax=name)
        return found

    def emit(self) -> dict[str, Any]:
        """The <database-schema>."""
        out: dict[str, Any] = {"name": self.name, "version": self.version}
        if self.cksum is not None:
            out["cksum"] = self.cksum
        out["tables"] = {table.name: _emit_table(table) for table in self.tables.values()}
        return out


def parse_schema(json: object) -> DatabaseSchema:
    """Parse and check a <database-schema>; raises `OvsdbError` "syntax error"."""
    fields = _object(json, "schema", {"name", "version", "tables"}, {"cksum"})
    name, version, tables = fields["name"], fields["version"], fields["tables"]
    if not datum.is_name(name):
        raise syntax_error(name, "a database name must be an id")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise syntax_error(version, "a version must have the form x.y.z")
    if not isinstance(tables, dict) or not isinstance(fields.get("cksum", ""), str):
        raise syntax_error(tables, "tables must be an object, and cksum a string")
    parsed = {key: _parse_table(key, table) for key, table in tables.items()}
    if not any(table.is_root for table in parsed.values()):
        # ovsdb-server(5) reads schemas from before isRoot existed so: every table is a root.
        parsed = {key: _as_root(table) for key, table in parsed.items()}
    schema = DatabaseSchema(name, version, parsed, fields.get("cksum"))
    _check_references(schema)
    return schema


def load(name: str) -> DatabaseSchema:
    """The schema that ships as `schemas/NAME.ovsschema`; raises `NotFound`."""
    file = resources.files("tulle.ovsdb").joinpath("schemas", f"{name}.ovsschema")
    if not file.is_file():
        raise NotFound(f"no schema {name} in tulle.ovsdb.schemas")
    return parse_schema(orjson.loads(file.read_bytes()))


def read(path: Path) -> DatabaseSchema:
    """The schema in a file; raises `InvalidInput`."""
    try:
        return parse_schema(orjson.loads(path.read_bytes()))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"expected a schema in JSON: {error}", where=str(path)) from error
    except OvsdbError as error:
        raise InvalidInput(error.message, where=str(path)) from error


def _as_root(table: TableSchema) -> TableSchema:
    return TableSchema(table.name, table.columns, True, table.max_rows, table.indexes)


def _parse_table(name: str, json: object) -> TableSchema:
    fields = _object(json, f"table {name}", {"columns"}, {"isRoot", "maxRows", "indexes"})
    _check_name(name, "table")
    if not isinstance(fields["columns"], dict) or not fields["columns"]:
        raise syntax_error(json, f"table {name} must have columns")
    columns = {key: _parse_column(key, column) for key, column in fields["columns"].items()}
    is_root, max_rows = fields.get("isRoot", False), fields.get("maxRows")
    if type(is_root) is not bool:
        raise syntax_error(json, "isRoot must be a boolean")
    if max_rows is not None and (type(max_rows) is not int or max_rows < 1):
        raise syntax_error(json, "maxRows must be a positive integer")
    return TableSchema(name, columns, is_root, max_rows, _parse_indexes(columns, fields.get("indexes", [])))


def _parse_indexes(columns: dict[str, Column], json: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(json, list):
        raise syntax_error(json, "indexes must be an array")
    for index in json:
        if not isinstance(index, list) or not index or any(not isinstance(name, str) for name in index):
            raise syntax_error(index, "an index must be an array of column names")
        if any(name not in columns or columns[name].ephemeral for name in index) or len(set(index)) < len(
            index
        ):
            raise syntax_error(index, "an index needs distinct, existing, persistent columns")
    return tuple(tuple(index) for index in json)


def _parse_column(name: str, json: object) -> Column:
    fields = _object(json, f"column {name}", {"type"}, {"ephemeral", "mutable"})
    _check_name(name, "column")
    kind = parse_type(fields["type"])
    mutable, ephemeral = fields.get("mutable", True), fields.get("ephemeral", False)
    if type(mutable) is not bool or type(ephemeral) is not bool:
        raise syntax_error(json, "mutable and ephemeral must be booleans")
    return Column(name, kind, mutable, ephemeral, datum.default(kind))


def _is_default_valid(column: Column) -> bool:
    try:
        datum.check(column.type, column.default)
    except OvsdbError:
        return False
    return True


def _check_name(name: str, what: str) -> None:
    if not datum.is_name(name) or name.startswith("_"):
        raise syntax_error(name, f"a {what} name must be an id that does not begin with _")


def _check_references(schema: DatabaseSchema) -> None:
    for table in schema.tables.values():
        for reference in (*table.strong, *table.weak):
            if reference.target not in schema.tables:
                raise syntax_error(
                    reference.target, f"{table.name}.{reference.column} refers to a table that is not there"
                )


def _object(json: object, what: str, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(json, dict):
        raise syntax_error(json, f"{what} must be an object")
    if missing := required - json.keys():
        raise syntax_error(json, f"{what} lacks {', '.join(sorted(missing))}")
    # A member that begins with _ is a note of the schema's author, as upstream's tools allow.
    if unknown := {key for key in json.keys() - required - optional if not key.startswith("_")}:
        raise syntax_error(json, f"{what} has unknown members {', '.join(sorted(unknown))}")
    return json


def _emit_table(table: TableSchema) -> dict[str, Any]:
    out: dict[str, Any] = {
        "columns": {column.name: _emit_column(column) for column in table.columns.values()}
    }
    if table.max_rows is not None:
        out["maxRows"] = table.max_rows
    if table.is_root:
        out["isRoot"] = True
    if table.indexes:
        out["indexes"] = [list(index) for index in table.indexes]
    return out


def _emit_column(column: Column) -> dict[str, Any]:
    out: dict[str, Any] = {"type": emit_type(column.type)}
    if not column.mutable:
        out["mutable"] = False
    if column.ephemeral:
        out["ephemeral"] = True
    return out
