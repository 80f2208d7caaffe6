"""The file format of OVSDB databases (ovsdb(5)): records of JSON with length and SHA-1.

    OVSDB JSON <bytes> <sha1>\\n<json>\\n

The first record is the schema, each other one a transaction.  Bytes and values only: files are in `storage`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from tulle.errors import InvalidInput
from tulle.ovsdb import datum
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.monitor import apply_difference, emit_difference
from tulle.ovsdb.schema import DatabaseSchema
from tulle.ovsdb.table import Change, Row
from tulle.ovsdb.types import ColumnType, Value

_HEADER = re.compile(rb"OVSDB JSON ([0-9]{1,18}) ([0-9a-f]{40})\n")
_HEADER_FORM = b"OVSDB JSON "
# A body that begins with this blank says: when it was written, the record before it was not known to be on the
# disk.  Records of one such row may reach the disk in any order, so damage among them is an unfinished write.
_CONTINUES = b" "
_LARGE = 64
_HEADER_MAX = len(_HEADER_FORM) + 18 + 1 + 40 + 1

Record = dict[str, Any]
RowLookup = Callable[[str, UUID], Mapping[str, Value] | None]
Rows = dict[str, dict[UUID, dict[str, Value]]]


class CorruptLog(InvalidInput):
    """A database file is damaged elsewhere than in an unfinished last write."""

    code = "corrupt-log"


@dataclass(frozen=True)
class Scan:
    """The records of a file, and where the good part ends; `torn` says that an unfinished write follows."""

    records: list[Record]
    end: int
    torn: bool


def emit_record(json: Any, *, unsynced_before: bool = False) -> bytes:
    """The bytes of one record; see `_CONTINUES` for `unsynced_before`."""
    mark = _CONTINUES if unsynced_before else b""
    return b"".join(frame_record([mark + orjson.dumps(json) + b"\n"]))


def frame_record(body: list[bytes]) -> list[bytes]:
    """The bytes of a record in parts, from those of its body."""
    digest = hashlib.sha1()
    for part in body:
        digest.update(part)
    size = sum(map(len, body))
    return [b"OVSDB JSON %d %s\n" % (size, digest.hexdigest().encode()), *body]


def scan(data: bytes, where: str) -> Scan:
    """Read all records; raises `CorruptLog` unless what is damaged is an unfinished write at the very end."""
    records: list[Record] = []
    offset = 0
    while offset < len(data):
        found = _record(data, offset)
        if found is None:
            _refuse_unless_torn(data, offset, where)
            return Scan(records, offset, torn=True)
        offset, body = found
        records.append(_json(body, offset, where))
    return Scan(records, offset, torn=False)


def _record(data: bytes, offset: int) -> tuple[int, bytes] | None:
    header = _HEADER.match(data, offset)
    if header is None:
        return None
    end = header.end() + int(header[1])
    body = data[header.end() : end]
    if end > len(data) or hashlib.sha1(body).hexdigest().encode() != header[2]:
        return None
    return end, body


def _json(body: bytes, offset: int, where: str) -> Record:
    try:
        json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise CorruptLog(f"record before byte {offset} is not JSON: {error}", where=where) from error
    if not isinstance(json, dict):
        raise CorruptLog(f"record before byte {offset} is not an object", where=where)
    return json


def _refuse_unless_torn(data: bytes, offset: int, where: str) -> None:
    place, is_synced = offset, False
    following = -1
    while (place := data.find(_HEADER_FORM, place + 1)) >= 0:
        found = _record(data, place)
        if found is not None:
            following = place if following < 0 else following
            is_synced = is_synced or not found[1].startswith(_CONTINUES)
    if following < 0 and not _is_unfinished(data[offset:]):
        raise CorruptLog(
            f"the last record, at byte {offset}, is damaged and not merely cut short", where=where
        )
    if following >= 0 and (is_synced or b"\0" not in data[offset:following]):
        raise CorruptLog(
            f"record at byte {offset} is damaged, but an intact one follows at byte {following}", where=where
        )


def _is_unfinished(tail: bytes) -> bool:
    """Whether a write that stopped half way leaves such bytes: a beginning, or blocks that stayed zero."""
    if b"\0" in tail:
        return True
    header = _HEADER.match(tail)
    if header is None:
        return len(tail) < _HEADER_MAX and _is_header_prefix(tail)
    body = tail[header.end() :]
    # All of the body is there when the digest fits: then it is the length that is damaged.
    return len(body) < int(header[1]) and hashlib.sha1(body).hexdigest().encode() != header[2]


def _is_header_prefix(tail: bytes) -> bool:
    if len(tail) <= len(_HEADER_FORM):
        return _HEADER_FORM.startswith(tail)
    return re.fullmatch(rb"OVSDB JSON [0-9]{1,18}( [0-9a-f]{0,40})?", tail) is not None


def emit_changes(schema: DatabaseSchema, changes: Iterable[Change], comment: str, now_ms: int) -> Record:
    """The record of a commit: whole columns, defaults and ephemeral ones left out.

    Where a large set or map changed, the record holds differences to the rows that there were.
    """
    changes = list(changes)
    differs = any(_has_large_change(schema, change) for change in changes)
    record: Record = {"_date": now_ms, **({"_is_diff": True} if differs else {})}
    if comment:
        record["_comment"] = comment
    for change in changes:
        columns = _emit_row(schema, change, differs=differs)
        if columns is None or columns or change.old is None:
            record.setdefault(change.table, {})[str(change.uuid)] = columns
    return record


def _has_large_change(schema: DatabaseSchema, change: Change) -> bool:
    old, new = change.old, change.new
    return (
        old is not None
        and new is not None
        and any(
            column.type.is_composite and len(old[name]) > _LARGE and old[name] is not new[name]
            for name, column in schema.tables[change.table].columns.items()
        )
    )


def _emit_row(schema: DatabaseSchema, change: Change, *, differs: bool) -> Record | None:
    new = change.new
    if new is None:
        return None
    before: dict[str, Any] | Row = (
        change.old if change.old is not None else dict(schema.tables[change.table].defaults)
    )
    old = change.old if differs else None
    return {
        name: column.emit(new[name]) if old is None else emit_difference(column.type, old[name], new[name])
        for name, column in schema.tables[change.table].columns.items()
        if not column.ephemeral and new[name] != before[name]
    }


def parse_changes(
    schema: DatabaseSchema, record: Record, row: RowLookup
) -> Iterator[tuple[str, UUID, dict[str, Any] | None]]:
    """The row values that a record sets; `row` finds the values so far, for records that hold differences.

    Raises `OvsdbError` when the record does not fit the schema.
    """
    differs = record.get("_is_diff") is True
    for table_name, rows in record.items():
        if table_name.startswith("_"):
            continue
        table = schema.table(table_name)
        for text, columns in rows.items():
            uuid = datum.parse_uuid_text(text)
            if columns is None:
                yield table_name, uuid, None
                continue
            old = row(table_name, uuid) if differs else None
            values = {}
            for name, json in columns.items():
                column = table.column(name)
                kind = column.type
                if old is None:
                    values[name] = column.parse(json, datum.NO_NAMES)
                else:
                    values[name] = apply_difference(kind, old[name], datum.parse(difference_type(kind), json))
            yield table_name, uuid, values


def merge_changes(schema: DatabaseSchema, rows: Rows, record: Record) -> None:
    """Apply a record to `rows`, which hold the columns that records have set; raises `OvsdbError`."""

    def whole_row(table: str, uuid: UUID) -> Mapping[str, Value] | None:
        row = rows[table].get(uuid)
        return None if row is None else {**schema.tables[table].defaults, **row}

    for table, uuid, values in parse_changes(schema, record, whole_row):
        found = rows[table]
        if values is None:
            found.pop(uuid, None)
        elif uuid in found:
            found[uuid].update(values)
        else:
            found[uuid] = values


def difference_type(kind: ColumnType) -> ColumnType:
    """The type of a difference of two values: as `kind`, but of any size where it has several members."""
    if not kind.is_composite:
        return kind
    return ColumnType(kind.key, kind.value, 0, 2**32 - 1, kind.shape)


def corrupt(error: OvsdbError, where: str, number: int) -> CorruptLog:
    """The error of a record that is whole but does not fit."""
    return CorruptLog(f"record {number} does not fit the database: {error}", where=where)
