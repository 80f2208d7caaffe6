"""References and garbage collection (RFC 7047 section 3.2)."""

import pytest
from ovsdb_example import example_database, insert, root

from tulle.ovsdb.errors import OvsdbError


def named(operation, name):
    return {**operation, "uuid-name": name}


def part(label, owner="r", **row):
    return named(insert("Part", {"label": label, "owner": ["named-uuid", owner], **row}), label)


def database_with_chain():
    """Root r holds part p, which holds part q."""
    database = example_database()
    database.transact(
        [
            named(root("r", parts=["named-uuid", "p"]), "r"),
            part("p", child=["named-uuid", "q"]),
            part("q"),
        ]
    )
    return database


def labels(database):
    return sorted(row["label"] for row in database.rows("Part").values())


def test_row_that_nothing_refers_to_is_collected():
    database = example_database()
    database.transact([named(root("r"), "r"), part("p")])
    assert labels(database) == []


def test_collection_follows_chains():
    database = database_with_chain()
    assert labels(database) == ["p", "q"]
    database.transact([{"op": "update", "table": "Root", "where": [], "row": {"parts": ["set", []]}}])
    assert labels(database) == [] and not database.tables["Part"].strong


def test_deleting_a_row_that_is_needed_is_refused():
    database = database_with_chain()
    with pytest.raises(OvsdbError, match="referential integrity violation"):
        database.transact([{"op": "delete", "table": "Part", "where": [["label", "==", "q"]]}])
    assert labels(database) == ["p", "q"]


def test_reference_to_a_missing_row_is_refused():
    with pytest.raises(OvsdbError, match="referential integrity violation"):
        example_database().transact([root("r", parts=["uuid", "11111111-2222-3333-4444-555555555555"])])


def test_weak_reference_goes_with_its_target():
    database = example_database()
    database.transact([named(root("a"), "a"), root("b", friend=["named-uuid", "a"])])
    database.transact([{"op": "delete", "table": "Root", "where": [["name", "==", "a"]]}])
    (row,) = database.rows("Root").values()
    assert row["friend"] is None and not database.tables["Root"].weak


def test_weak_reference_in_a_map_goes_with_its_pair():
    database = example_database()
    database.transact(
        [
            named(root("a"), "a"),
            named(root("r", parts=["named-uuid", "p"]), "r"),
            part("p", by_name=["map", [["x", ["named-uuid", "a"]], ["y", ["named-uuid", "r"]]]]),
        ]
    )
    database.transact([{"op": "delete", "table": "Root", "where": [["name", "==", "a"]]}])
    (row,) = database.rows("Part").values()
    assert list(row["by_name"]) == ["y"]


def test_target_of_a_required_weak_reference_cannot_go():
    database = example_database()
    database.transact([named(root("a"), "a"), root("r", parts=["named-uuid", "p"]), part("p", owner="a")])
    with pytest.raises(OvsdbError, match="constraint violation"):
        database.transact([{"op": "delete", "table": "Root", "where": [["name", "==", "a"]]}])
    assert len(database.rows("Root")) == 2


def test_weak_reference_to_nothing_is_dropped_at_once():
    database = example_database()
    database.transact([root("a", friend=["uuid", "11111111-2222-3333-4444-555555555555"])])
    (row,) = database.rows("Root").values()
    assert row["friend"] is None and not database.tables["Root"].weak


def test_row_limit_counts_what_is_left():
    database = example_database()
    database.transact([insert("Single")])
    database.transact([{"op": "delete", "table": "Single", "where": []}, insert("Single", {"value": 2})])
    with pytest.raises(OvsdbError, match="only 1 rows"):
        database.transact([insert("Single")])
