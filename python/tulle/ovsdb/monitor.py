"""Monitors (RFC 7047 section 4.1.5, ovsdb-server(7) section 4.1.12 ff.): commits to <table-updates>.

A `Monitor` holds what was asked for, not who asked: sessions with the same request share one, and its bytes.
Version 1 is `monitor`, 2 is `monitor_cond`, 3 is `monitor_cond_since`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tulle.ovsdb import datum
from tulle.ovsdb.condition import Condition, Test, parse_where
from tulle.ovsdb.database import Database
from tulle.ovsdb.errors import syntax_error
from tulle.ovsdb.schema import Column, DatabaseSchema, TableSchema
from tulle.ovsdb.table import Change, Row
from tulle.ovsdb.types import ColumnType, Shape, Value

EVENTS = ("initial", "insert", "delete", "modify")


@dataclass(frozen=True)
class TableRequest:
    """What is monitored of one table: which columns on which events, and (version 2) of which rows."""

    columns: dict[str, tuple[Column, ...]]  # of the events that are wanted; a row may show no column
    condition: Condition | None


class Monitor:
    """Turns the rows of a database, and its changes, into <table-updates>."""

    def __init__(self, version: int, schema: DatabaseSchema, json: object) -> None:
        """Parse <monitor-requests>; raises `OvsdbError`."""
        if not isinstance(json, dict):
            raise syntax_error(json, "monitor requests must be an object")
        self.version = version
        self.tables = {name: _parse_table(version, schema.table(name), part) for name, part in json.items()}

    def initial(self, database: Database) -> dict[str, Any]:
        """The <table-updates> that a new monitor is answered with."""
        out: dict[str, Any] = {}
        for name, request in self.tables.items():
            columns = request.columns.get("initial")
            if columns is None:
                continue
            condition = request.condition
            rows = database.rows(name).values()
            shown = {
                str(row.uuid): self._appeared("initial", columns, row)
                for row in rows
                if condition is None or condition.matches(row)
            }
            if shown:
                out[name] = shown
        return out

    def updates(self, changes: Iterable[Change]) -> dict[str, Any]:
        """The <table-updates> of a commit; empty if it does not concern this monitor."""
        out: dict[str, Any] = {}
        for change in changes:
            request = self.tables.get(change.table)
            if request is None:
                continue
            update = self._row_update(request, _visible(request, change.old), _visible(request, change.new))
            if update is not None:
                out.setdefault(change.table, {})[str(change.uuid)] = update
        return out

    def moved(self, before: Monitor, database: Database) -> dict[str, Any]:
        """The <table-updates2> of rows that these conditions show and those of `before` do not, or the reverse."""
        out: dict[str, Any] = {}
        for name, request in self.tables.items():
            for row in database.rows(name).values():
                was, now = _visible(before.tables[name], row), _visible(request, row)
                update = None if was is now else self._row_update(request, was, now)
                if update is not None:
                    out.setdefault(name, {})[str(row.uuid)] = update
        return out

    def _row_update(self, request: TableRequest, old: Row | None, new: Row | None) -> dict[str, Any] | None:
        if old is None and new is None:
            return None
        if old is None:
            columns = request.columns.get("insert")
            return None if columns is None or new is None else self._appeared("insert", columns, new)
        if new is None:
            columns = request.columns.get("delete")
            return None if columns is None else self._vanished(columns, old)
        columns = request.columns.get("modify", ())
        changed = [column for column in columns if old[column.name] != new[column.name]]
        return self._modified(columns, changed, old, new) if changed else None

    def _appeared(self, event: str, columns: tuple[Column, ...], row: Row) -> dict[str, Any]:
        if self.version == 1:
            return {"new": _emit(columns, row)}
        return {event: _emit([column for column in columns if row[column.name] != column.default], row)}

    def _vanished(self, columns: tuple[Column, ...], row: Row) -> dict[str, Any]:
        return {"old": _emit(columns, row)} if self.version == 1 else {"delete": None}

    def _modified(
        self, columns: Iterable[Column], changed: Iterable[Column], old: Row, new: Row
    ) -> dict[str, Any]:
        if self.version == 1:
            return {"old": _emit(changed, old), "new": _emit(columns, new)}
        return {"modify": {c.name: emit_difference(c.type, old[c.name], new[c.name]) for c in changed}}


def with_conditions(requests: dict[str, Any], json: object) -> dict[str, Any]:
    """<monitor-requests> with the conditions of a monitor_cond_change in place of theirs; raises `OvsdbError`."""
    if not isinstance(json, dict):
        raise syntax_error(json, "conditions must be an object")
    out = dict(requests)
    for name, parts in json.items():
        if name not in requests:
            raise syntax_error(name, f"table {name} is not monitored")
        where = _joined_where(parts if isinstance(parts, list) else [parts])
        known = requests[name]
        out[name] = [{**part, "where": where} for part in (known if isinstance(known, list) else [known])]
    return out


def _joined_where(parts: list[Any]) -> list[Any]:
    """The clauses of all parts, as any of them is enough; a part without clauses shows every row."""
    clauses: list[Any] = []
    for part in parts:
        if not isinstance(part, dict) or part.keys() - {"columns", "where"}:
            raise syntax_error(part, "a condition must be an object with where")
        where = part.get("where", [True])
        if not isinstance(where, list):
            raise syntax_error(where, "where must be an array of conditions")
        clauses += where or [True]
    return clauses


def _visible(request: TableRequest, row: Row | None) -> Row | None:
    if row is None or request.condition is None or request.condition.matches(row):
        return row
    return None


def _emit(columns: Iterable[Column], row: Row) -> dict[str, Any]:
    return {column.name: column.emit(row[column.name]) for column in columns}


def _parse_table(version: int, table: TableSchema, json: object) -> TableRequest:
    columns: dict[str, list[Column]] = {}
    where: list[Any] = []
    for part in json if isinstance(json, list) else [json]:
        if not isinstance(part, dict):
            raise syntax_error(part, "a monitor request must be an object")
        if unknown := part.keys() - {"columns", "select", *(("where",) if version > 1 else ())}:
            raise syntax_error(part, f"a monitor request has no member {', '.join(sorted(unknown))}")
        for event, wanted in _parse_select(part.get("select", {})).items():
            if wanted:
                columns.setdefault(event, []).extend(_parse_columns(table, part.get("columns")))
        where.append(part.get("where", [True]))
    for chosen in columns.values():
        if len({column.name for column in chosen}) != len(chosen):
            raise syntax_error(json, "a column is monitored twice")
    return TableRequest(
        {event: tuple(chosen) for event, chosen in columns.items()}, _parse_where(table, where)
    )


def _parse_select(json: object) -> dict[str, bool]:
    if (
        not isinstance(json, dict)
        or json.keys() - set(EVENTS)
        or any(type(on) is not bool for on in json.values())
    ):
        raise syntax_error(json, f"select must give booleans for some of {', '.join(EVENTS)}")
    return {event: json.get(event, True) for event in EVENTS}


def _parse_columns(table: TableSchema, json: object) -> list[Column]:
    if json is None:
        return [column for name, column in table.all_columns.items() if name != "_uuid"]
    if not isinstance(json, list):
        raise syntax_error(json, "columns must be an array")
    return [table.column(name) for name in json]


def _parse_where(table: TableSchema, clauses: list[Any]) -> Condition | None:
    """Conditions of monitors are joined by "or", within one request and between those of one table."""
    tests: list[Test] = []
    for where in clauses:
        if not isinstance(where, list):
            raise syntax_error(where, "where must be an array of conditions")
        if not where or any(clause is True for clause in where):
            return None
        tests.extend(parse_where(table, [clause]).matches for clause in where)
    return Condition((lambda row: any(test(row) for test in tests),))


def emit_difference(kind: ColumnType, old: Value, new: Value) -> Any:
    """The <row-update2> form of a change: the new value, or for sets and maps of several the difference."""
    if not kind.is_composite:
        return datum.emit(kind, new)
    if kind.shape is Shape.SET:
        return datum.emit(kind, old ^ new)
    pairs = {key: atom for key, atom in new.items() if key not in old or old[key] != atom}
    pairs.update((key, atom) for key, atom in old.items() if key not in new)
    return ["map", datum.emit_pairs(pairs)]


def apply_difference(kind: ColumnType, old: Value, difference: Value) -> Value:
    """The new value, from the old one and a parsed difference."""
    if not kind.is_composite:
        return difference
    if kind.shape is Shape.SET:
        return old ^ difference
    out = dict(old)
    for key, atom in difference.items():
        if key in out and out[key] == atom:
            del out[key]
        else:
            out[key] = atom
    return out
