"""A backup: both databases in one tar file, each in OVSDB's own file format, so `ovsdb-tool` reads them too.

It is the same whichever kind of store it came from, and goes back into either kind; rows keep their uuids.
Source of the format of the members: ovsdb(5).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from uuid import UUID

from tulle.errors import InvalidInput
from tulle.ovsdb import Change, Database, DatabaseSchema, Row, datum, log
from tulle.ovsdb.storage import replay
from tulle.ovsdb.types import ColumnType

from .writer import HasTables

MEMBERS = {"Tulle": "tulle.db", "Tulle_State": "tulle_state.db"}
MEMBER_BYTES_MAX = 1 << 30


class Stored(HasTables, Protocol):
    """A database with its schema."""

    @property
    def schema(self) -> DatabaseSchema:
        """Its schema."""


def pack(databases: tuple[Stored, ...], now_ms: int) -> bytes:
    """The backup of all rows, as they are at this moment; `now_ms` since 1970."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for database in databases:
            data = _emit(database, now_ms)
            member = tarfile.TarInfo(MEMBERS[database.schema.name])
            member.size, member.mtime, member.mode = len(data), now_ms // 1000, 0o600
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def unpack(data: bytes) -> dict[str, Database]:
    """The databases of a backup, by name; raises `InvalidInput` when it is not whole."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            found = {name: _parse(_content(tar, member), member) for name, member in MEMBERS.items()}
    except (tarfile.TarError, KeyError, EOFError, ValueError) as error:
        raise InvalidInput(f"a backup with {', '.join(MEMBERS.values())} was expected: {error}") from None
    for name, database in found.items():
        if database.name != name:
            raise InvalidInput(f"database {name} was expected in {MEMBERS[name]}, {database.name} came")
    return found


def restoring(current: Stored, wanted: Database) -> list[dict[str, Any]]:
    """Operations that make the rows of a database equal those of a backup; none if they are."""
    schema = current.schema
    operations: list[dict[str, Any]] = []
    for name, table in wanted.tables.items():
        if name not in schema.tables:
            raise InvalidInput(f"the backup has a table {name}, which this version does not know")
        known = schema.table(name).columns
        columns = {
            key: known[key].type
            for key, column in table.schema.columns.items()
            if key in known and not (known[key].ephemeral or column.ephemeral)
        }
        operations += _table_operations(columns, name, current.table(name).rows, table.rows)
    return operations


def _table_operations(
    columns: Mapping[str, ColumnType], name: str, current: Mapping[UUID, Any], wanted: Mapping[UUID, Row]
) -> Iterator[dict[str, Any]]:
    for uuid in current.keys() - wanted.keys():
        yield {"op": "delete", "table": name, "where": _this(uuid)}
    for uuid, row in sorted(wanted.items()):
        if uuid not in current:
            values = {key: datum.emit_python(kind, row[key]) for key, kind in columns.items()}
            yield {"op": "insert", "table": name, "uuid": str(uuid), "row": values}
            continue
        old = current[uuid]
        changed = {
            key: datum.emit_python(kind, row[key]) for key, kind in columns.items() if old[key] != row[key]
        }
        if changed:
            yield {"op": "update", "table": name, "where": _this(uuid), "row": changed}


def _this(uuid: UUID) -> list[Any]:
    return [["_uuid", "==", ["uuid", str(uuid)]]]


def _emit(database: Stored, now_ms: int) -> bytes:
    schema = database.schema
    rows = [
        Change(name, uuid, None, Row(row))
        for name in schema.tables
        for uuid, row in database.table(name).rows.items()
    ]
    changes = log.emit_changes(schema, rows, "backup", now_ms)
    return log.emit_record(schema.emit()) + log.emit_record(changes)


def _content(tar: tarfile.TarFile, member: str) -> bytes:
    info = tar.getmember(member)
    file = tar.extractfile(info)
    if file is None or info.size > MEMBER_BYTES_MAX:
        raise InvalidInput(f"{member} is no file, or larger than {MEMBER_BYTES_MAX} bytes")
    data = file.read()
    if len(data) != info.size:
        raise InvalidInput(f"{member} is cut off")
    return data


def _parse(data: bytes, member: str) -> Database:
    scan = log.scan(data, member)
    if scan.torn or not scan.records:
        raise InvalidInput("the file is not whole", where=member)
    return replay(scan.records, member)
