"""The operations of a transaction (RFC 7047 section 5.2), each a function of the execution and its JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tulle.ovsdb import datum
from tulle.ovsdb.condition import Condition, parse_where
from tulle.ovsdb.errors import OvsdbError, constraint_violation, syntax_error
from tulle.ovsdb.execution import Execution, UnfulfilledWaitError
from tulle.ovsdb.mutation import apply, parse_mutations
from tulle.ovsdb.schema import Column, TableSchema
from tulle.ovsdb.table import Row, Table
from tulle.ovsdb.types import Value

Json = dict[str, Any]


def execute(execution: Execution, json: object) -> Json:
    """Execute one operation and give its result; raises `OvsdbError` or `UnfulfilledWaitError`."""
    if not isinstance(json, dict):
        raise syntax_error(json, "an operation must be an object")
    name = json.get("op")
    operation = _OPERATIONS.get(name) if isinstance(name, str) else None
    if operation is None:
        raise OvsdbError("unknown operation", f"no operation {name}", syntax=name)
    return operation(execution, json)


def _members(json: Json, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    for name in required:
        if name not in json:
            raise syntax_error(json, f"operation {json['op']} lacks {name}")
    for name in json:
        if name != "op" and name not in required and name not in optional:
            raise syntax_error(json, f"operation {json['op']} has no member {name}")


def _row(table: TableSchema, json: object, execution: Execution, *, inserting: bool) -> dict[str, Value]:
    if not isinstance(json, dict):
        raise syntax_error(json, "a row must be an object")
    parsers = table.insert_parsers if inserting else table.update_parsers
    out = {}
    for name, value in json.items():
        parse = parsers.get(name)
        if parse is None:
            table.column(name)
            raise constraint_violation(f"column {name} of table {table.name} cannot be written")
        out[name] = parse(value, execution.names)
    return out


def _columns(table: TableSchema, json: object) -> list[Column]:
    if not isinstance(json, list):
        raise syntax_error(json, "columns must be an array")
    columns = [table.column(name) for name in json]
    if len({column.name for column in columns}) != len(columns):
        raise syntax_error(json, "columns must not repeat")
    return columns


def _chosen(table: TableSchema, json: Json) -> list[Column]:
    if "columns" in json:
        return _columns(table, json["columns"])
    return list(table.all_columns.values())


def emit_columns(columns: list[Column], row: Row) -> Json:
    """The wire form of some columns of a row."""
    return {column.name: column.emit(row[column.name]) for column in columns}


def _insert(execution: Execution, json: Json) -> Json:
    _members(json, ("table", "row"), ("uuid", "uuid-name"))
    table = execution.table(json["table"])
    uuid = _insert_uuid(execution, table, json)
    values = _row(table.schema, json["row"], execution, inserting=True)
    for column in table.schema.must_be_set:
        if column.name not in values:
            datum.check(column.type, column.default)
    base = {**table.schema.defaults, **values, "_uuid": uuid, "_version": execution.new_uuid()}
    row = Row(base)
    if execution.guard is not None:
        execution.guard.insert(table, row)
    execution.put(table, uuid, row)
    return {"uuid": ["uuid", str(uuid)]}


def _insert_uuid(execution: Execution, table: Table, json: Json) -> UUID:
    if "uuid-name" in json:
        uuid = execution.names[json["uuid-name"]]
    elif "uuid" in json:
        uuid = datum.parse_uuid_text(json["uuid"])
    else:
        return execution.new_uuid()
    if uuid in table.rows or execution.before.get((table.schema.name, uuid)) is not None:
        raise OvsdbError("duplicate uuid", f"table {table.schema.name} has a row {uuid}")
    return uuid


def _where(execution: Execution, json: Json) -> tuple[Table, Condition]:
    table = execution.table(json["table"])
    return table, parse_where(table.schema, json["where"], execution.names)


def _select(execution: Execution, json: Json) -> Json:
    _members(json, ("table", "where"), ("columns",))
    table, condition = _where(execution, json)
    columns = _chosen(table.schema, json)
    emitted = [emit_columns(columns, row) for row in execution.matching(table, condition)]
    has_uuid = any(column.name == "_uuid" for column in columns)
    return {"rows": emitted if has_uuid else _distinct(emitted)}


def _distinct(rows: list[Json]) -> list[Json]:
    """RFC 7047 section 5.2.2: rows that show the same values are given once."""
    return list({repr(row): row for row in rows}.values())


def _update(execution: Execution, json: Json) -> Json:
    _members(json, ("table", "where", "row"))
    table = execution.table(json["table"])
    values = _row(table.schema, json["row"], execution, inserting=False)
    condition = parse_where(table.schema, json["where"], execution.names)
    rows = execution.matching(table, condition)
    if execution.guard is not None:
        for row in rows:
            execution.guard.update(table, row, values)
    for row in rows:
        execution.change(table, row, values)
    return {"count": len(rows)}


def _mutate(execution: Execution, json: Json) -> Json:
    _members(json, ("table", "where", "mutations"))
    table = execution.table(json["table"])
    mutations = parse_mutations(table.schema, json["mutations"], execution.names)
    condition = parse_where(table.schema, json["where"], execution.names)
    rows = execution.matching(table, condition)
    for row in rows:
        values = apply(mutations, row)
        if execution.guard is not None:
            execution.guard.update(table, row, values)
        execution.change(table, row, values)
    return {"count": len(rows)}


def _delete(execution: Execution, json: Json) -> Json:
    _members(json, ("table", "where"))
    table, condition = _where(execution, json)
    rows = execution.matching(table, condition)
    if execution.guard is not None:
        for row in rows:
            execution.guard.delete(table, row)
    for row in rows:
        execution.put(table, row.uuid, None)
    return {"count": len(rows)}


def _wait(execution: Execution, json: Json) -> Json:
    _members(json, ("table", "where", "until", "rows"), ("columns", "timeout"))
    table, condition = _where(execution, json)
    columns = _chosen(table.schema, json)
    until, timeout, rows = json["until"], json.get("timeout"), json["rows"]
    if until not in ("==", "!=") or not isinstance(rows, list):
        raise syntax_error(json, 'wait needs until "==" or "!=", and an array of rows')
    if timeout is not None and (type(timeout) is not int or timeout < 0):
        raise syntax_error(timeout, "timeout must be a number of milliseconds")
    found = {_comparable(columns, row) for row in execution.matching(table, condition)}
    wanted = {_comparable(columns, _wanted(table.schema, columns, row, execution)) for row in rows}
    if (found == wanted) != (until == "=="):
        execution.awaited.add(table.schema.name)
        raise UnfulfilledWaitError(timeout)
    return {}


def _wanted(
    table: TableSchema, columns: list[Column], json: object, execution: Execution
) -> dict[str, Value]:
    if not isinstance(json, dict):
        raise syntax_error(json, "a row must be an object")
    names = {column.name for column in columns}
    if unknown := json.keys() - names:
        raise syntax_error(json, f"row has columns that are not compared: {', '.join(sorted(unknown))}")
    out = {column.name: column.default for column in columns}
    for name, value in json.items():
        out[name] = datum.parse(table.column(name).type, value, execution.names)
    return out


def _comparable(columns: list[Column], row: dict[str, Value]) -> tuple[Any, ...]:
    values = (row[column.name] for column in columns)
    return tuple(frozenset(value.items()) if isinstance(value, dict) else value for value in values)


def _commit(execution: Execution, json: Json) -> Json:
    _members(json, ("durable",))
    if type(json["durable"]) is not bool:
        raise syntax_error(json, "durable must be a boolean")
    execution.durable = execution.durable or json["durable"]
    return {}


def _abort(_execution: Execution, json: Json) -> Json:
    _members(json, ())
    raise OvsdbError("aborted", "aborted by request")


def _comment(execution: Execution, json: Json) -> Json:
    _members(json, ("comment",))
    if type(json["comment"]) is not str:
        raise syntax_error(json, "comment must be a string")
    execution.comments.append(json["comment"])
    return {}


def _assert(execution: Execution, json: Json) -> Json:
    _members(json, ("lock",))
    if not datum.is_name(json["lock"]):
        raise syntax_error(json, "lock must be an id")
    if not execution.owns_lock(json["lock"]):
        raise OvsdbError("not owner", f"asserted lock {json['lock']} is not held")
    return {}


_OPERATIONS: dict[str, Callable[[Execution, Json], Json]] = {
    "insert": _insert,
    "select": _select,
    "update": _update,
    "mutate": _mutate,
    "delete": _delete,
    "wait": _wait,
    "commit": _commit,
    "abort": _abort,
    "comment": _comment,
    "assert": _assert,
}
