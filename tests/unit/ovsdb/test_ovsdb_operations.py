"""Operations and constraints of transactions (RFC 7047 section 5.2)."""

from uuid import UUID

import pytest
from ovsdb_example import example_database, insert, root

from tulle.ovsdb.builder import Transaction
from tulle.ovsdb.errors import OvsdbError


def failure(database, *operations) -> str:
    """The name of the error with which a transaction fails; checks that it changed nothing."""
    before = {name: dict(table.rows) for name, table in database.tables.items()}
    with pytest.raises(OvsdbError) as caught:
        database.transact(operations)
    assert {name: dict(table.rows) for name, table in database.tables.items()} == before
    return caught.value.error


def row_of(database, name):
    return next(row for row in database.rows("Root").values() if row["name"] == name)


def update(where, **row):
    return {"op": "update", "table": "Root", "where": where, "row": row}


def mutate(*mutation):
    return {"op": "mutate", "table": "Root", "where": [], "mutations": [list(mutation)]}


def select(where, columns=("name",), table="Root"):
    return {"op": "select", "table": table, "where": where, "columns": list(columns)}


def names(database, where):
    return sorted(row["name"] for row in database.transact([select(where, ("_uuid", "name"))])[0]["rows"])


def test_inserted_row_has_defaults_and_python_values():
    database = example_database()
    database.transact([root("a", few=["set", [2, 1]], options=["map", [["k", "v"]]], color="red")])
    row = row_of(database, "a")
    assert (row["few"], row["options"], row["color"]) == (frozenset((1, 2)), {"k": "v"}, "red")
    assert (row["number"], row["friend"], row["parts"], row["ratio"]) == (0, None, frozenset(), 0.0)


def test_rows_cannot_be_changed_in_place():
    database = example_database()
    database.transact([root("a")])
    with pytest.raises(TypeError):
        row_of(database, "a")["name"] = "b"


def test_named_uuid_may_refer_to_a_later_insert():
    database = example_database()
    owner = ["named-uuid", "r"]
    database.transact(
        [
            insert("Part", {"label": "p", "owner": owner}, **{"uuid-name": "p"}),
            insert("Root", {"parts": ["named-uuid", "p"]}, **{"uuid-name": "r"}),
        ]
    )
    (part,) = database.rows("Part").values()
    (top,) = database.rows("Root").values()
    assert part["owner"] == top.uuid and top["parts"] == {part.uuid}


def test_insert_takes_a_given_uuid_once():
    database = example_database()
    text = "11111111-2222-3333-4444-555555555555"
    assert database.transact([insert("Single", uuid=text)]) == [{"uuid": ["uuid", text]}]
    assert failure(database, insert("Single", uuid=text)) == "duplicate uuid"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([], ["a", "b"]),
        ([["name", "==", "a"]], ["a"]),
        ([["name", "!=", "a"]], ["b"]),
        ([["number", "<", 2]], ["a"]),
        ([["number", ">=", 2]], ["b"]),
        ([["few", "includes", ["set", [1]]]], ["a", "b"]),
        ([["few", "includes", ["set", [1, 2]]]], ["a"]),
        ([["few", "excludes", ["set", [2, 9]]]], ["b"]),
        ([["few", "==", ["set", [2, 1]]]], ["a"]),
        ([["options", "includes", ["map", [["k", "v"]]]]], ["a"]),
        ([["options", "excludes", ["map", [["k", "v"]]]]], ["b"]),
        ([False], []),
    ],
)
def test_conditions_choose_rows(where, expected):
    database = example_database()
    database.transact(
        [
            root("a", number=1, few=["set", [1, 2]], options=["map", [["k", "v"]]]),
            root("b", number=2, few=["set", [1]]),
        ]
    )
    assert names(database, where) == expected


@pytest.mark.parametrize(
    ("mutation", "column", "expected"),
    [
        (("number", "+=", 5), "number", 12),
        (("number", "-=", 5), "number", 2),
        (("number", "*=", 2), "number", 14),
        (("number", "/=", -2), "number", -3),
        (("number", "%=", 4), "number", 3),
        (("ratio", "/=", 2), "ratio", 0.75),
        (("few", "+=", 1), "few", frozenset((2, 3))),
        (("few", "insert", ["set", [3, 1]]), "few", frozenset((1, 2, 3))),
        (("few", "delete", ["set", [1, 7]]), "few", frozenset((2,))),
        (("options", "insert", ["map", [["k", "new"], ["l", "w"]]]), "options", {"k": "v", "l": "w"}),
        (("options", "delete", ["set", ["k", "absent"]]), "options", {}),
        (("options", "delete", ["map", [["k", "other"]]]), "options", {"k": "v"}),
        (("color", "delete", "red"), "color", None),
    ],
)
def test_mutations_give(mutation, column, expected):
    database = example_database()
    start = {
        "number": 7,
        "ratio": 1.5,
        "few": ["set", [1, 2]],
        "options": ["map", [["k", "v"]]],
        "color": "red",
    }
    database.transact([root("a", **start)])
    assert database.transact([mutate(*mutation)]) == [{"count": 1}]
    assert row_of(database, "a")[column] == expected


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (mutate("number", "/=", 0), "domain error"),
        (mutate("number", "*=", 2**62), "range error"),
        (mutate("number", "+=", 1000), "constraint violation"),
        (mutate("few", "*=", 0), "constraint violation"),
        (mutate("few", "insert", ["set", [5, 6]]), "constraint violation"),
        (mutate("fixed", "+=", 1), "constraint violation"),
        (mutate("name", "insert", "x"), "syntax error"),
        (mutate("absent", "+=", 1), "unknown column"),
        (update([], fixed=2), "constraint violation"),
        (update([], color="blue"), "constraint violation"),
        (update([], name=5), "syntax error"),
        (update([], number=True), "syntax error"),
        (update([], name="nul\0"), "constraint violation"),
        (update([], _uuid=["uuid", "0" * 8]), "constraint violation"),
        (update([["number", "~", 1]], name="x"), "syntax error"),
        (update([["name", "<", "x"]], name="x"), "syntax error"),
        (update([], few=["set", [1, 2, 3, 4]]), "syntax error"),
        (update([], few=["set", [1, 1]]), "syntax error"),
        (update([], friend=["named-uuid", "nobody"]), "syntax error"),
        (root("a"), "constraint violation"),
        (insert("Absent"), "unknown table"),
        ({"op": "fly"}, "unknown operation"),
        ({"op": "abort"}, "aborted"),
        ({"op": "assert", "lock": "l"}, "not owner"),
        ("insert", "syntax error"),
    ],
)
def test_a_bad_operation_fails_and_undoes_those_before_it(operation, error):
    database = example_database()
    database.transact([root("a", few=["set", [1, 2]], number=7)])
    assert failure(database, root("c"), update([["name", "==", "c"]], number=3), operation) == error


def test_results_name_the_operation_that_failed():
    outcome = example_database().execute([root("a"), {"op": "abort"}, root("b")])
    assert [result and sorted(result) for result in outcome.results] == [["uuid"], ["details", "error"], None]


def test_an_error_of_the_commit_comes_after_all_results():
    outcome = example_database().execute([insert("Single"), insert("Single")])
    assert len(outcome.results) == 3 and outcome.results[2]["error"] == "constraint violation"


def test_rows_can_swap_the_values_of_an_index():
    database = example_database()
    database.transact([root("a"), root("b")])
    first, second = row_of(database, "a").uuid, row_of(database, "b").uuid
    database.transact(
        [
            update([["_uuid", "==", ["uuid", str(first)]]], name="b"),
            update([["_uuid", "==", ["uuid", str(second)]]], name="a"),
        ]
    )
    assert database.rows("Root")[first]["name"] == "b"
    assert (
        failure(database, update([["_uuid", "==", ["uuid", str(first)]]], name="a")) == "constraint violation"
    )


def test_wait_compares_the_rows():
    database = example_database()
    database.transact([root("a")])
    wait = {
        "op": "wait",
        "table": "Root",
        "where": [],
        "columns": ["name"],
        "rows": [{"name": "a"}],
        "timeout": 0,
    }
    assert database.transact([{**wait, "until": "=="}]) == [{}]
    assert failure(database, root("b"), {**wait, "until": "=="}) == "timed out"


def test_select_without_uuid_gives_equal_rows_once():
    database = example_database()
    database.transact([root("a", ratio=1), root("b", ratio=1)])
    assert database.transact([select([], ["ratio"])]) == [{"rows": [{"ratio": 1.0}]}]


def test_version_changes_with_the_row_only():
    database = example_database()
    database.transact([root("a"), root("b")])
    versions = {row["name"]: row["_version"] for row in database.rows("Root").values()}
    database.transact([update([["name", "==", "a"]], number=3), update([["name", "==", "b"]], number=0)])
    assert row_of(database, "a")["_version"] != versions["a"]
    assert row_of(database, "b")["_version"] == versions["b"]


def test_builder_writes_python_values():
    database = example_database()
    txn = Transaction(database.schema)
    friend = txn.insert("Root", {"name": "friend", "flags": {"f"}})
    part = txn.insert("Part", {"label": "p", "owner": friend, "by_name": {"x": friend}})
    top = txn.insert(
        "Root", {"name": "top", "parts": [part], "friend": friend, "color": None, "options": {"a": "b"}}
    )
    results = database.transact(txn.operations)
    row = database.rows("Root")[txn.uuid(top, results)]
    assert row["parts"] == {txn.uuid(part, results)} and row["friend"] == txn.uuid(friend, results)
    again = Transaction(database.schema)
    again.mutate("Root", row.uuid, "options", "delete", ["a"])
    again.mutate("Root", [("name", "==", "friend")], "number", "+=", 2)
    again.wait("Root", row.uuid, [{"name": "top", "color": None}])
    again.delete("Root", txn.uuid(friend, results))
    database.transact([*again.operations[:3]])
    assert row_of(database, "top")["options"] == {} and row_of(database, "friend")["number"] == 2


def test_subscribers_hear_whole_commits_in_order_even_when_they_write():
    database = example_database()
    heard = []

    def subscriber(changes):
        heard.append([(change.table, change.new and change.new.get("name")) for change in changes])
        if len(heard) == 1:
            database.transact([root("c")])

    end = database.subscribe(subscriber)
    database.transact([root("a"), root("b")])
    end()
    database.transact([root("d")])
    assert heard == [[("Root", "a"), ("Root", "b")], [("Root", "c")]]


def test_uuid_texts_must_be_whole():
    assert failure(example_database(), select([["_uuid", "==", ["uuid", "1234"]]])) == "syntax error"
    assert UUID(int=1) not in example_database().rows("Root")


def test_a_subscriber_that_fails_hides_a_commit_from_nobody():
    database = example_database()
    heard = []
    database.subscribe(lambda _changes: heard[1])
    database.subscribe(heard.append)
    assert database.transact([root("a")])
    assert len(heard) == 1
