"""Files: cut and damaged anywhere, locked, converted, compacted."""

import copy
from pathlib import Path

import pytest
from ovsdb_example import EXAMPLE, root

from tulle.errors import Conflict, TulleError
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.log import CorruptLog, scan
from tulle.ovsdb.schema import parse_schema
from tulle.ovsdb.storage import Storage

SCHEMA = parse_schema(EXAMPLE)


def names(path: Path) -> list[str]:
    with Storage(path, SCHEMA) as storage:
        return sorted(row["name"] for row in storage.database.rows("Root").values())


def written(path: Path) -> bytes:
    """A file with four commits: a; b; a renamed to c; b deleted."""
    with Storage(path, SCHEMA) as storage:
        database = storage.database
        database.transact([root("a", fleeting=5, options=["map", [["k", "v"]]])])
        database.transact([root("b")])
        database.transact(
            [{"op": "update", "table": "Root", "where": [["name", "==", "a"]], "row": {"name": "c"}}]
        )
        database.transact([{"op": "delete", "table": "Root", "where": [["name", "==", "b"]]}])
    return path.read_bytes()


def test_commits_are_there_after_reopening(tmp_path):
    written(tmp_path / "db")
    with Storage(tmp_path / "db", SCHEMA) as storage:
        (row,) = storage.database.rows("Root").values()
        assert (row["name"], row["options"], row["fleeting"]) == ("c", {"k": "v"}, 0)


def test_file_cut_at_any_byte_gives_a_prefix_of_the_commits(tmp_path):
    path = tmp_path / "db"
    data = written(path)
    states = [[], ["a"], ["a", "b"], ["b", "c"], ["c"]]
    ends = [scan(data[:end], "db").end for end in range(len(data) + 1)]
    boundaries = sorted(set(ends) - {0})
    assert len(boundaries) == len(states)
    for end in range(boundaries[0], len(data) + 1):
        path.write_bytes(data[:end])
        expected = states[sum(boundary <= end for boundary in boundaries) - 1]
        assert names(path) == expected, f"cut at {end}"


def test_damaged_byte_before_the_end_refuses_to_start(tmp_path):
    path = tmp_path / "db"
    data = written(path)
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CorruptLog):
            names(path)
        assert len(path.read_bytes()) == len(data), "a refused file must be left alone"


def test_tail_of_zero_blocks_is_cut(tmp_path):
    path = tmp_path / "db"
    data = written(path)
    path.write_bytes(data + bytes(512))
    assert names(path) == ["c"]


@pytest.mark.parametrize("junk", [b"hello\n", b"OVSDB CLUSTER 12 " + b"a" * 40 + b"\n{}", b"\xff" * 100])
def test_file_of_another_kind_is_refused_and_left_alone(tmp_path, junk):
    path = tmp_path / "db"
    path.write_bytes(junk)
    with pytest.raises(CorruptLog):
        names(path)
    assert path.read_bytes() == junk


def test_second_server_is_refused(tmp_path):
    with Storage(tmp_path / "db", SCHEMA), pytest.raises(Conflict):
        Storage(tmp_path / "db", SCHEMA)
    Storage(tmp_path / "db", SCHEMA).close()


def test_compacted_file_holds_the_same_and_goes_on(tmp_path):
    path = tmp_path / "db"
    with Storage(path, SCHEMA) as storage:
        for number in range(50):
            storage.database.transact([root(f"n{number}"), {"op": "comment", "comment": "x" * 100}])
        before = path.stat().st_size
        storage.compact()
        assert path.stat().st_size < before
        storage.database.transact([root("after")])
    assert len(names(path)) == 51 and not (tmp_path / "db.tmp").exists()


def test_new_schema_version_keeps_rows_and_drops_columns(tmp_path):
    path = tmp_path / "db"
    written(path)
    other = copy.deepcopy(EXAMPLE)
    other["version"] = "2.0.0"
    del other["tables"]["Root"]["columns"]["ratio"]
    other["tables"]["Root"]["columns"]["added"] = {"type": "integer"}
    with Storage(path, parse_schema(other)) as storage:
        (row,) = storage.database.rows("Root").values()
        assert row["name"] == "c" and row["added"] == 0 and "ratio" not in row
    with Storage(path) as storage:
        assert storage.database.schema.version == "2.0.0"


def test_commit_that_the_disk_refuses_changes_nothing_and_service_goes_on(tmp_path):
    """/dev/full refuses every write with ENOSPC."""
    import os

    with Storage(tmp_path / "db", SCHEMA) as storage:
        database = storage.database
        good, storage._fd = storage._fd, os.open("/dev/full", os.O_WRONLY)
        with pytest.raises(OvsdbError, match="I/O error"):
            database.transact([root("a")])
        assert not database.rows("Root")
        os.close(storage._fd)
        storage._fd = good
        database.transact([root("b")])
    assert names(tmp_path / "db") == ["b"]


def test_opening_nothing_without_a_schema_is_refused(tmp_path):
    with pytest.raises(TulleError, match="no schema"):
        Storage(tmp_path / "db")
