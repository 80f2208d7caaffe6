"""A database in a file: opened under a lock, recovered after a crash, appended to, compacted.

Only this file and `snapshot` touch disks.  `scan` in `log` decides what a damaged file means.
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
from tulle.ovsdb import log
from tulle.ovsdb.convert import converted
from tulle.ovsdb.database import Database
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.memory import paused_collector
from tulle.ovsdb.schema import DatabaseSchema, parse_schema
from tulle.ovsdb.snapshot import Compaction, Snapshot, sync_folder, write_all, write_file
from tulle.ovsdb.table import Change

_logger = structlog.get_logger(__name__)
_COMPACT_FACTOR = 4
_COMPACT_BYTES = 1 << 20
_COMPACT_AT_ONCE_BYTES = 2 << 20
_MEND_MS = 1000
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
        self._temporary = path.with_name(f"{path.name}.tmp")
        self._now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self._lock = FileLock(path)
        self._fd = -1
        self._size = self._compact_size = 0
        self._dirty = False
        self._broken: OSError | None = None  # what a failed append left is still there
        self._lost: OSError | None = None  # a sync failed: only a new file can be trusted
        self._tried_ms = 0
        self._compaction: Compaction | None = None
        try:
            if not path.exists() or path.stat().st_size == 0:
                self._create(schema)
            with paused_collector():
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
        self._abandon_compaction()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.release()

    def append(self, schema: DatabaseSchema, changes: list[Change], comment: str) -> None:
        """Write the record of a commit; if that fails, the file is cut back to what it was."""
        if self._lost is not None:
            raise OSError(self._lost.errno, f"no writes until the file can be written anew: {self._lost}")
        json = log.emit_changes(schema, changes, comment, self._now_ms())
        record = log.emit_record(json, unsynced_before=self._dirty)
        if self._broken is not None:
            self._cut_back()
        try:
            write_all(self._fd, record)
        except OSError as error:
            self._broken = error
            self._cut_back()
            raise
        self._size += len(record)
        self._dirty = True
        if self._compaction is not None:
            self._compaction.tail.append(record)

    def sync(self) -> None:
        """Wait until everything is on the disk; raises OSError, and then nothing can be written until `mend`."""
        if self._dirty and self._lost is None:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                self._rescue(error)
            self._dirty = False
        self.tidy()

    def tidy(self) -> None:
        """Begin to compact a file that has grown to several times what it must hold, or end what has begun."""
        if self._compaction is not None:
            if not self._compaction.running:
                self._finish_compaction()
        elif self._lost is None and self._size > max(_COMPACT_BYTES, _COMPACT_FACTOR * self._compact_size):
            self._begin_compaction()

    def mend(self) -> None:
        """Try, now and then, to get over a failed sync; not to be called within a transaction."""
        if self._lost is not None and self._now_ms() - self._tried_ms >= _MEND_MS:
            try:
                self._rescue(self._lost)
            except OSError as error:
                _logger.error("database still cannot be written", path=str(self._path), error=str(error))

    def compact(self) -> None:
        """Replace the file by one with the schema and the present rows; on failure the old one stays."""
        self._abandon_compaction()
        try:
            self.replace(self.database)
        except OSError as error:
            self._put_off_compaction(error)

    def replace(self, database: Database) -> None:
        """Replace the file by one with this schema and these rows; raises OSError, and the old one stays."""
        self._abandon_compaction()
        self._install(Snapshot(self._temporary, database, self._now_ms()).write())

    def _rescue(self, error: OSError) -> None:
        """After a failed sync the kernel may have dropped what it had, so only a new file can hold everything."""
        self._tried_ms = self._now_ms()
        self._lost = error
        _logger.error("cannot sync the database; writing it anew", path=str(self._path), error=str(error))
        self.replace(self.database)
        _logger.warning("database written anew", path=str(self._path))

    def _begin_compaction(self) -> None:
        if self._size < _COMPACT_AT_ONCE_BYTES:
            self.compact()
        else:
            self._compaction = Compaction(self._temporary, self.database, self._now_ms())

    def _finish_compaction(self) -> None:
        assert self._compaction is not None
        compaction, self._compaction = self._compaction, None
        try:
            self._install(compaction.finish())
        except OSError as error:
            self._put_off_compaction(error)

    def _abandon_compaction(self) -> None:
        if self._compaction is not None:
            self._compaction.abandon()
            self._compaction = None

    def _put_off_compaction(self, error: OSError) -> None:
        _logger.warning("database not compacted", path=str(self._path), error=str(error))
        self._compact_size = self._size  # do not try again at once

    def _install(self, fd: int) -> None:
        """Let a new, synced file take the place of this one."""
        try:
            self._temporary.rename(self._path)
        except OSError:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd = fd
        self._size = self._compact_size = os.fstat(fd).st_size
        self._dirty, self._broken, self._lost = False, None, None
        sync_folder(self._path.parent)

    def _create(self, schema: DatabaseSchema | None) -> None:
        if schema is None:
            raise InvalidInput("no database here, and no schema to create it with", where=str(self._path))
        os.close(write_file(self._temporary, [log.emit_record(schema.emit())]))
        self._temporary.rename(self._path)
        sync_folder(self._path.parent)

    def _recover(self, wanted: DatabaseSchema | None) -> Database:
        where = str(self._path)
        self._temporary.unlink(missing_ok=True)  # of a server that died while it compacted
        data = self._path.read_bytes()
        scan = log.scan(data, where)
        if not scan.records:
            raise log.CorruptLog("not a database: it has no intact schema record", where=where)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._size = scan.end
        self._dirty = False
        if scan.torn:
            _logger.warning("cut an unfinished write", path=where, at=scan.end, bytes=len(data) - scan.end)
            os.ftruncate(self._fd, scan.end)
        os.fsync(self._fd)  # records that are appended now claim that all before them is on the disk
        self.database = replay(scan.records, where)
        self._compact_size = _useful_bytes(scan, self.database)
        converted = wanted is not None and wanted.emit() != self.database.schema.emit()
        if converted:
            assert wanted is not None
            self.database = _convert(self.database, wanted)
        if converted:
            self.compact()
        return self.database

    def _cut_back(self) -> None:
        """Remove what a failed append left; until that works, no append is tried."""
        os.ftruncate(self._fd, self._size)
        self._broken = None


def _useful_bytes(scan: log.Scan, database: Database) -> int:
    """About how large the file would be without the rows that later records changed or deleted."""
    written = sum(
        len(rows) for record in scan.records[1:] for name, rows in record.items() if not name.startswith("_")
    )
    present = sum(len(table.rows) for table in database.tables.values())
    return scan.end * present // max(written, 1)


def replay(records: list[log.Record], where: str) -> Database:
    """The database that the records of a file describe; raises `CorruptLog`."""
    number = 0
    try:
        database = Database(parse_schema(records[0]))
        rows: log.Rows = {name: {} for name in database.tables}
        for number, record in enumerate(records[1:], 1):  # noqa: B007
            log.merge_changes(database.schema, rows, record)
        database.load((name, uuid, row) for name, found in rows.items() for uuid, row in found.items())
    except OvsdbError as error:
        raise log.corrupt(error, where, number) from error
    except (AttributeError, TypeError) as error:
        raise log.CorruptLog(f"record {number} is no transaction", where=where) from error
    return database


def _convert(database: Database, schema: DatabaseSchema) -> Database:
    try:
        return converted(database, schema)
    except OvsdbError as error:
        raise InvalidInput(
            f"database {database.name} does not fit schema {schema.version}: {error}"
        ) from error
