"""A new file with a schema and its rows in one record, written beside the old one, at once or in a thread.

Rows never change, so the list of them taken at the start is a snapshot while the database goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from tulle.ovsdb import log
from tulle.ovsdb.database import Database
from tulle.ovsdb.table import Change, Row

_SLICE_ROWS = 200
_PAUSE_S = 0.001
COMMENT = "compacting database"


class Snapshot:
    """The rows of a database as they are now, on their way to `path`."""

    def __init__(self, path: Path, database: Database, now_ms: int, *, pause_s: float = 0.0) -> None:
        self.path = path
        self._schema = database.schema
        self._now_ms = now_ms
        self._pause_s = pause_s
        self._rows = [(name, list(table.rows.values())) for name, table in database.tables.items()]

    def write(self) -> int:
        """Write and sync the file, and give it open for appending; raises OSError and leaves none."""
        parts = [log.emit_record(self._schema.emit())]
        if any(rows for _name, rows in self._rows):
            parts += log.frame_record(list(self._body()))
        return write_file(self.path, parts)

    def _body(self) -> Iterator[bytes]:
        yield b'{"_date":%d,"_comment":"%s"' % (self._now_ms, COMMENT.encode())
        for name, rows in self._rows:
            if rows:
                yield b',"%s":{' % name.encode()
                for start in range(0, len(rows), _SLICE_ROWS):
                    part = self._slice(name, rows[start : start + _SLICE_ROWS])
                    yield b"," + part if start else part
                yield b"}"
        yield b"}\n"

    def _slice(self, name: str, rows: list[Row]) -> bytes:
        """The members of some rows; the thread that serves gets its turn in between."""
        if self._pause_s:
            time.sleep(self._pause_s)
        changes = [Change(name, row.uuid, None, row) for row in rows]
        return orjson.dumps(log.emit_changes(self._schema, changes, "", 0)[name])[1:-1]


class Compaction:
    """A snapshot being written in a thread; `tail` gathers the records that the old file got meanwhile."""

    def __init__(self, path: Path, database: Database, now_ms: int) -> None:
        self.tail: list[bytes] = []
        self._snapshot = Snapshot(path, database, now_ms, pause_s=_PAUSE_S)
        self._fd = -1
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="compaction", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._fd = self._snapshot.write()
        except OSError as error:
            self._error = error

    @property
    def running(self) -> bool:
        """Whether the thread still writes."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Return when the thread has ended."""
        self._thread.join()

    def finish(self) -> int:
        """Add the tail to the new file, sync it, and give it open; raises OSError and leaves none."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        try:
            if self.tail:
                write_all(self._fd, b"".join(self.tail))
                os.fdatasync(self._fd)
        except OSError:
            self.abandon()
            raise
        return self._fd

    def abandon(self) -> None:
        """Remove the new file."""
        self._thread.join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._snapshot.path.unlink(missing_ok=True)


def write_all(fd: int, data: bytes) -> None:
    """Write everything; raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_file(path: Path, parts: list[bytes]) -> int:
    """Write and sync a new file, and give it open for appending; raises OSError and leaves none."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        for part in parts:
            write_all(fd, part)
        os.fsync(fd)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
