"""What clients that follow a database see: history, changed conditions, databases that come, go or are converted."""

from __future__ import annotations

import copy
from uuid import UUID

import pytest
from ovsdb_example import EXAMPLE, counted_uuids, example_database, root

from tulle.ovsdb.condition import parse_where
from tulle.ovsdb.database import Database
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.history import History
from tulle.ovsdb.jsonrpc import Splitter
from tulle.ovsdb.schema import parse_schema
from tulle.ovsdb.service import Service, Session
from tulle.ovsdb.table import Change, Row

ZERO = str(UUID(int=0))
UNKNOWN = str(UUID(int=1 << 100))
ALL = {"Root": [{"columns": ["name", "number"], "where": [True]}]}


class Host:
    """A service with the example database and sessions."""

    def __init__(self) -> None:
        self.service = Service(lambda: 0.0, counted_uuids())
        self.database = example_database()
        self.service.add_database(self.database)
        self.one, self.two = Session(self.service), Session(self.service)

    def call(self, session, method, *params):
        """The result of a request, and what was sent before it."""
        session.receive({"method": method, "params": list(params), "id": 7})
        *before, reply = sent(session)
        assert reply["error"] is None, reply
        return reply["result"], before

    def fails(self, session, method, *params):
        """The name of the error that a request is answered with."""
        session.receive({"method": method, "params": list(params), "id": 7})
        (reply,) = sent(session)
        return reply["error"]["error"]

    def set_number(self, name, number):
        self.database.transact(
            [{"op": "update", "table": "Root", "where": [["name", "==", name]], "row": {"number": number}}]
        )


def sent(session):
    return list(Splitter().receive(b"".join(session.take_output())))


def test_returning_client_gets_only_what_it_missed():
    host = Host()
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        host.database.transact([root(name, number=number)])
    (found, known, rows), _ = host.call(host.one, "monitor_cond_since", "Example", "m", ALL, ZERO)
    assert not found and len(rows["Root"]) == 3
    host.set_number("a", 10)
    (update,) = sent(host.one)
    assert update["method"] == "update3"
    assert update["params"][1] != known
    known = update["params"][1]
    host.one.close()
    host.set_number("b", 20)
    host.set_number("b", 21)
    host.database.transact([{"op": "delete", "table": "Root", "where": [["name", "==", "c"]]}])
    host.database.transact([root("d", number=4)])
    (found, newest, rows), _ = host.call(host.two, "monitor_cond_since", "Example", "m", ALL, known)
    assert found and newest != known
    changes = sorted(map(repr, rows["Root"].values()))
    assert changes == [
        "{'delete': None}",
        "{'insert': {'name': 'd', 'number': 4}}",
        "{'modify': {'number': 21}}",
    ]


def test_nothing_missed_is_found_and_empty():
    host = Host()
    (_, known, _), _ = host.call(host.one, "monitor_cond_since", "Example", "m", ALL, UNKNOWN)
    (found, newest, rows), _ = host.call(host.two, "monitor_cond_since", "Example", "m", ALL, known)
    assert (found, newest, rows) == (True, known, {})


def test_history_is_bounded_by_number_and_by_bytes():
    for bounds in ({"max_transactions": 3}, {"max_bytes": 2000}):
        history = History(counted_uuids(), **bounds)
        ids = [history.last_id]
        for number in range(10):
            old = Row({"name": "x" * (500 if number < 9 else 5), "_uuid": UUID(int=number)})
            ids.append(history.append([Change("T", UUID(int=number), old, None)]))
        known = [history.since(item) is not None for item in ids]
        assert known == sorted(known) and 2 <= sum(known) <= 4, (bounds, known)
        assert len(history.since(ids[-2])) == 1


def test_row_that_came_and_went_was_not_missed():
    history = History(counted_uuids())
    start, row = history.last_id, Row({"a": 1})
    history.append([Change("T", UUID(int=1), None, row)])
    history.append([Change("T", UUID(int=1), row, None)])
    assert history.since(start) == []


@pytest.mark.parametrize("version", ["monitor_cond", "monitor_cond_since"])
def test_changed_condition_sends_rows_that_come_and_go_before_the_reply(version):
    host = Host()
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        host.database.transact([root(name, number=number)])
    where = {"Root": [{"columns": ["name"], "where": [["number", "<=", 2]]}]}
    since = [ZERO] if version == "monitor_cond_since" else []
    host.call(host.one, version, "Example", "m", where, *since)
    change = {"Root": [{"where": [["number", ">=", 2]]}]}
    result, (update,) = host.call(host.one, "monitor_cond_change", "m", "n", change)
    assert result == {} and update["params"][0] == "n"
    assert sorted(map(repr, update["params"][-1]["Root"].values())) == [
        "{'delete': None}",
        "{'insert': {'name': 'c'}}",
    ]
    host.database.transact([{"op": "delete", "table": "Root", "where": []}])
    (update,) = sent(host.one)
    assert len(update["params"][-1]["Root"]) == 2, "a is out of view"
    assert host.fails(host.one, "monitor_cancel", "m") == "unknown monitor"


def test_same_condition_again_keeps_the_monitor_alive():
    host = Host()
    host.call(host.one, "monitor_cond", "Example", "m", ALL)
    result, before = host.call(host.one, "monitor_cond_change", "m", "m", {"Root": [{"where": [True]}]})
    assert (result, before) == ({}, [])
    host.database.transact([root("a")])
    assert [message["method"] for message in sent(host.one)] == ["update2"]
    assert len(host.service.groups) == 1


def test_condition_change_that_is_refused_changes_nothing():
    host = Host()
    host.call(host.one, "monitor_cond", "Example", "m", ALL)
    host.call(host.one, "monitor", "Example", "old", {"Root": {}})
    for conditions in (
        {"Part": [{"where": []}]},
        {"Root": [{"where": [["absent", "==", 1]]}]},
        {"Root": 5},
        5,
    ):
        assert host.fails(host.one, "monitor_cond_change", "m", "n", conditions) in (
            "syntax error",
            "unknown column",
        )
    assert host.fails(host.one, "monitor_cond_change", "m", "old", {}) == "duplicate monitor ID"
    assert host.fails(host.one, "monitor_cond_change", "old", "x", {}) == "syntax error"
    host.database.transact([root("a")])
    assert [message["params"][0] for message in sent(host.one)] == ["m", "old"]


@pytest.mark.parametrize(
    ("clause", "names"),
    [
        (True, "ab"),
        (False, ""),
        (["number", "==", 1], "a"),
        (["number", "!=", 1], "b"),
        (["number", "<", 2], "a"),
        (["number", "<=", 2], "ab"),
        (["number", ">", 1], "b"),
        (["number", ">=", 1], "ab"),
        (["few", "includes", ["set", [1]]], "a"),
        (["few", "excludes", ["set", [1]]], "b"),
        (["options", "includes", ["map", [["k", "v"]]]], "b"),
        (["options", "excludes", ["map", [["k", "v"]]]], "a"),
    ],
)
def test_every_function_of_a_condition_chooses_what_is_monitored(clause, names):
    host = Host()
    host.database.transact([root("a", number=1, few=["set", [1, 2]])])
    host.database.transact([root("b", number=2, options=["map", [["k", "v"], ["l", "w"]]])])
    request = {"Root": [{"columns": ["name"], "where": [clause]}]}
    result, _ = host.call(host.one, "monitor_cond", "Example", "m", request)
    shown = sorted(row["initial"]["name"] for row in result.get("Root", {}).values())
    assert "".join(shown) == names


def widened() -> dict:
    """The example schema with another column and without one."""
    other = copy.deepcopy(EXAMPLE)
    other["version"] = "2.0.0"
    del other["tables"]["Root"]["columns"]["ratio"]
    other["tables"]["Root"]["columns"]["added"] = {"type": "integer"}
    return other


def test_converted_database_tells_aware_clients_and_disconnects_others():
    host = Host()
    host.database.transact([root("a", number=1)])
    host.call(host.one, "set_db_change_aware", True)
    host.call(host.one, "monitor_cond_since", "Example", "m", ALL, ZERO)
    host.call(host.one, "monitor_cond", "_Server", "s", {"Database": [{"columns": ["schema"]}]})
    host.call(host.two, "monitor", "Example", "m", {"Root": {}})
    result, before = host.call(host.two, "convert", "Example", widened())
    assert (result, before) == ({}, []) and host.two.ended and not host.one.ended
    messages = sent(host.one)
    assert [message["method"] for message in messages] == ["monitor_canceled", "update2"]
    assert messages[0]["params"] == ["m"]
    select = {"op": "select", "table": "Root", "where": [], "columns": ["name", "added"]}
    (result,), _ = host.call(host.one, "transact", "Example", select)
    assert result == {"rows": [{"name": "a", "added": 0}]}
    assert host.call(host.one, "get_schema", "Example")[0]["version"] == "2.0.0"


@pytest.mark.parametrize(
    ("name", "version", "kind", "error"),
    [
        ("Other", "2.0.0", "integer", "invalid parameters"),
        ("Example", "2.0.0", "uuid", "syntax error"),
        ("Example", "two", "integer", "syntax error"),
    ],
)
def test_conversion_that_does_not_fit_is_refused_and_changes_nothing(name, version, kind, error):
    host = Host()
    host.database.transact([root("a", number=1)])
    other = copy.deepcopy(EXAMPLE)
    other.update(name=name, version=version)
    other["tables"]["Root"]["columns"]["number"] = {"type": kind}
    assert host.fails(host.one, "convert", "Example", other) == error
    assert not host.one.ended and host.database.schema.version == "1.0.0"
    assert host.fails(host.one, "convert", "_Server", other) == "not allowed"


def test_database_comes_and_goes_while_served():
    host = Host()
    host.call(host.one, "set_db_change_aware", True)
    host.call(host.one, "monitor", "_Server", "s", {"Database": {"columns": ["name"]}})
    schema = {"name": "Extra", "version": "1.0.0", "tables": EXAMPLE["tables"]}
    host.service.add_database(Database(parse_schema(schema)))
    assert host.two.ended, "a client that is not aware of such changes must look again"
    host.call(host.one, "monitor", "Extra", "m", {"Single": {}})
    wait = {"op": "wait", "table": "Single", "where": [], "columns": [], "until": "==", "rows": [{}]}
    host.one.receive({"method": "transact", "params": ["Extra", wait], "id": 9})
    sent(host.one)
    host.service.remove_database("Extra")
    canceled, monitor, update = sent(host.one)
    assert (canceled["id"], canceled["error"]) == (9, "canceled")
    assert (monitor["method"], monitor["params"]) == ("monitor_canceled", ["m"])
    assert update["method"] == "update"
    assert host.fails(host.one, "get_schema", "Extra") == "unknown database"
    with pytest.raises(OvsdbError, match="not allowed"):
        host.service.remove_database("_Server")


def test_condition_on_an_index_looks_at_few_rows_and_at_those_of_its_own_transaction():
    database = example_database()
    database.transact([root(f"n{number}") for number in range(500)])
    table, looked_at = database.tables["Root"], []
    rows = dict(table.rows)

    class Watched(dict):
        def values(self):
            looked_at.append("all rows")
            return super().values()

    table.rows = Watched(rows)
    where = [["name", "==", "n7"]]
    rename = {"op": "update", "table": "Root", "where": where, "row": {"name": "new"}}
    select = {"op": "select", "table": "Root", "where": [["name", "==", "new"]], "columns": ["flags"]}
    gone = {"op": "select", "table": "Root", "where": where, "columns": ["flags"]}
    updated, found, missing = database.transact([rename, select, gone])
    assert updated == {"count": 1} and found == {"rows": [{"flags": "n7"}]} and missing == {"rows": []}
    assert looked_at == []
    assert parse_where(table.schema, where).equals
