"""Disks that fail: several unsynced records half written, refused syncs, a file made anew while others write."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ovsdb_example import EXAMPLE, root

from tulle.ovsdb import storage as storage_module
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.log import CorruptLog, scan
from tulle.ovsdb.schema import parse_schema
from tulle.ovsdb.storage import Storage

SCHEMA = parse_schema(EXAMPLE)


class Clock:
    """Milliseconds that tests set."""

    now = 0

    def __call__(self) -> int:
        return self.now


def names(path: Path) -> list[str]:
    with Storage(path, SCHEMA) as storage:
        return sorted(row["name"] for row in storage.database.rows("Root").values())


def record_ends(data: bytes) -> list[int]:
    """Where each record of a file ends."""
    return sorted({scan(data[:end], "db").end for end in range(len(data) + 1)} - {0})


def two_synced_and_three_unsynced(path: Path) -> tuple[bytes, list[int]]:
    with Storage(path, SCHEMA) as storage:
        for name in "ab":
            storage.database.transact([root(name)])
        for name in "cde":
            assert not storage.database.execute([root(name)]).failed
    data = path.read_bytes()
    return data, record_ends(data)


@pytest.mark.parametrize("lost", [2, 3, 4])
def test_hole_among_unsynced_records_is_an_unfinished_write(tmp_path, lost):
    path = tmp_path / "db"
    data, ends = two_synced_and_three_unsynced(path)
    hole = ends[lost] + 5, ends[lost + 1] - 5
    path.write_bytes(data[: hole[0]] + bytes(hole[1] - hole[0]) + data[hole[1] :])
    assert names(path) == list("abcde")[:lost]


def test_hole_before_a_synced_record_refuses_to_start(tmp_path):
    path = tmp_path / "db"
    data, ends = two_synced_and_three_unsynced(path)
    hole = ends[0] + 5, ends[1] - 5
    path.write_bytes(data[: hole[0]] + bytes(hole[1] - hole[0]) + data[hole[1] :])
    with pytest.raises(CorruptLog):
        names(path)


def test_changed_byte_among_unsynced_records_refuses_to_start(tmp_path):
    path = tmp_path / "db"
    data, ends = two_synced_and_three_unsynced(path)
    place = (ends[2] + ends[3]) // 2
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(CorruptLog):
        names(path)


def test_refused_sync_writes_the_file_anew(tmp_path, monkeypatch):
    path = tmp_path / "db"
    with Storage(path, SCHEMA) as storage:
        storage.database.transact([root("a")])
        inode = path.stat().st_ino
        monkeypatch.setattr(storage_module.os, "fdatasync", refuse)
        storage.database.transact([root("b")])
        assert path.stat().st_ino != inode
        assert names_of(storage) == ["a", "b"]
    monkeypatch.undo()
    assert names(path) == ["a", "b"]


def test_disk_that_syncs_nothing_refuses_writes_until_it_does_again(tmp_path, monkeypatch):
    path, clock = tmp_path / "db", Clock()
    with Storage(path, SCHEMA, clock) as storage:
        database = storage.database
        database.transact([root("a")])
        with monkeypatch.context() as patch:
            patch.setattr(storage_module.os, "fdatasync", refuse)
            patch.setattr(storage_module.os, "fsync", refuse)
            with pytest.raises(OvsdbError, match="unknown"):
                database.transact([root("b")])
            for name in "cd":
                clock.now += 2000
                with pytest.raises(OvsdbError, match="I/O error"):
                    database.transact([root(name)])
            assert names_of(storage) == ["a", "b"], "reads go on"
            assert not (tmp_path / "db.tmp").exists()
        clock.now += 2000
        database.transact([root("e")])
    assert names(path) == ["a", "b", "e"]


def test_commits_during_a_compaction_are_in_the_new_file(tmp_path, monkeypatch):
    path = tmp_path / "db"
    monkeypatch.setattr(storage_module, "_COMPACT_BYTES", 1000)
    monkeypatch.setattr(storage_module, "_COMPACT_AT_ONCE_BYTES", 0)
    expected = []
    with Storage(path, SCHEMA) as storage:
        database, inode = storage.database, path.stat().st_ino
        changed = 0
        for number in range(300):
            database.transact([root(f"n{number}")])
            expected.append(f"n{number}")
            if number % 3 == 0:
                database.transact(
                    [{"op": "delete", "table": "Root", "where": [["name", "==", f"n{number}"]]}]
                )
                expected.pop()
            changed += path.stat().st_ino != inode
            inode = path.stat().st_ino
        assert changed, "the file was not replaced"
    assert names(path) == sorted(expected)
    assert not (tmp_path / "db.tmp").exists()


def test_half_written_new_file_of_a_server_that_died_while_it_compacted_is_removed(tmp_path):
    path = tmp_path / "db"
    two_synced_and_three_unsynced(path)
    (tmp_path / "db.tmp").write_bytes(path.read_bytes()[:300])
    assert names(path) == list("abcde") and not (tmp_path / "db.tmp").exists()


def names_of(storage: Storage) -> list[str]:
    return sorted(row["name"] for row in storage.database.rows("Root").values())


def refuse(_fd: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
