"""A database in a file: opened under a lock, recovered after a crash, appended to, compacted.

Only this file of the package touches disks.  `scan` in `log` decides what a damaged file means.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from tulle.errors import Conflict, InvalidInput
from tulle.ovsdb import datum, log
from tulle.ovsdb.database import Database
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.schema import DatabaseSchema, parse_schema
from tulle.ovsdb.table import Change

_logger = structlog.get_logger(__name__)
_COMPACT_FACTOR = 4
_COMPACT_BYTES = 1 << 20
_held: set[tuple[int, int]] = set()


class FileLock:
    """An exclusive lock on `.NAME.~lock~` beside the database, as ovsdb-server takes it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(
            path.with_name(f".{path.name}.~lock~"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        status = os.fstat(self._fd)
        self._key = (status.st_dev, status.st_ino)
        try:
            if self._key in _held:  # POSIX locks do not exclude within one process
                raise BlockingIOError
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise Conflict("another server has this database open", where=str(path)) from error
        _held.add(self._key)

    def release(self) -> None:
        """Let another server have it."""
        _held.discard(self._key)
        os.close(self._fd)


class Storage:
    """The journal of one database in one file.  `database` is what the file holds."""

    def __init__(
        self, path: Path, schema: DatabaseSchema | None = None, now_ms: Callable[[], int] | None = None
    ) -> None:
        """Open a database file, or create it with `schema`; one with another version of it is converted.

        Raises `Conflict` if it is open elsewhere, `CorruptLog` if it is damaged.
        """
        self._path = path
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._lock = FileLock(path)
        self._fd = -1
        self._size = self._compact_size = 0
        self._dirty = False
        self._broken: OSError | None = None
        try:
            if not path.exists() or path.stat().st_size == 0:
                self._create(schema)
            self.database = self._recover(schema)
        except BaseException:
            self.close()
            raise
        self.database.journal = self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.release()

    def append(self, schema: DatabaseSchema, changes: list[Change], comment: str) -> None:
        """Write the record of a commit; if that fails, the file is cut back to what it was."""
        record = log.emit_record(log.emit_changes(schema, changes, comment, self._now_ms()))
        if self._broken is not None:
            self._cut_back()
        try:
            _write_all(self._fd, record)
        except OSError as error:
            self._broken = error
            self._cut_back()
            raise
        self._size += len(record)
        self._dirty = True

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        if self._dirty:
            os.fdatasync(self._fd)
            self._dirty = False
        if self._size > max(_COMPACT_BYTES, _COMPACT_FACTOR * self._compact_size):
            self.compact()

    def compact(self) -> None:
        """Replace the file by one with the schema and the present rows; on failure the old one stays."""
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        try:
            fd = _write_file(temporary, [log.emit_record(self.database.schema.emit()), *self._snapshot()])
            temporary.rename(self._path)
        except OSError as error:
            _logger.warning("database not compacted", path=str(self._path), error=str(error))
            self._compact_size = self._size  # do not try again at once
            return
        _sync_folder(self._path.parent)
        os.close(self._fd)
        self._fd = fd
        self._size = self._compact_size = os.fstat(fd).st_size

    def _snapshot(self) -> list[bytes]:
        changes = [
            Change(name, row.uuid, None, row)
            for name, table in self.database.tables.items()
            for row in table.rows.values()
        ]
        if not changes:
            return []
        return [
            log.emit_record(
                log.emit_changes(self.database.schema, changes, "compacting database", self._now_ms())
            )
        ]

    def _create(self, schema: DatabaseSchema | None) -> None:
        if schema is None:
            raise InvalidInput("no database here, and no schema to create it with", where=str(self._path))
        temporary = self._path.with_name(f"{self._path.name}.tmp")
        os.close(_write_file(temporary, [log.emit_record(schema.emit())]))
        temporary.rename(self._path)
        _sync_folder(self._path.parent)

    def _recover(self, wanted: DatabaseSchema | None) -> Database:
        where = str(self._path)
        data = self._path.read_bytes()
        scan = log.scan(data, where)
        if not scan.records:
            raise log.CorruptLog("not a database: it has no intact schema record", where=where)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._size = self._compact_size = scan.end
        self._dirty = False
        if scan.torn:
            _logger.warning("cut an unfinished write", path=where, at=scan.end, bytes=len(data) - scan.end)
            os.ftruncate(self._fd, scan.end)
            os.fsync(self._fd)
        self.database = replay(scan.records, where)
        converted = wanted is not None and wanted.emit() != self.database.schema.emit()
        if converted:
            assert wanted is not None
            self.database = convert(self.database, wanted)
        if converted or len(scan.records) > 2:
            self.compact()
        return self.database

    def _cut_back(self) -> None:
        """Remove what a failed append left; until that works, no append is tried."""
        os.ftruncate(self._fd, self._size)
        self._broken = None


def replay(records: list[log.Record], where: str) -> Database:
    """The database that the records of a file describe; raises `CorruptLog`."""
    database: Database | None = None
    for number, record in enumerate(records):
        try:
            if database is None:
                database = Database(parse_schema(record))
            else:
                _apply(database, record)
        except OvsdbError as error:
            raise log.corrupt(error, where, number) from error
        except (AttributeError, TypeError) as error:
            raise log.CorruptLog(f"record {number} is no transaction", where=where) from error
    assert database is not None
    return database


def _apply(database: Database, record: log.Record) -> None:
    tables = database.tables
    database.load(
        log.parse_changes(database.schema, record, lambda table, uuid: tables[table].rows.get(uuid))
    )


def convert(database: Database, schema: DatabaseSchema) -> Database:
    """The same rows under another schema, which may lack columns; raises `InvalidInput`."""
    if schema.name != database.name:
        raise InvalidInput(f"expected database {schema.name}, found {database.name}")
    record = {}
    for name, table in database.tables.items():
        if name in schema.tables:
            columns = schema.tables[name].columns
            record[name] = {
                str(uuid): {
                    column: datum.emit(kind.type, row[column])
                    for column, kind in table.schema.columns.items()
                    if column in columns
                }
                for uuid, row in table.rows.items()
            }
    out = Database(schema)
    try:
        out.load(log.parse_changes(schema, record, lambda _table, _uuid: None))
    except OvsdbError as error:
        raise InvalidInput(
            f"database {database.name} does not fit schema {schema.version}: {error}"
        ) from error
    return out


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _write_file(path: Path, parts: list[bytes]) -> int:
    """Write and sync a new file, and give it open for appending."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        for part in parts:
            _write_all(fd, part)
        os.fsync(fd)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
