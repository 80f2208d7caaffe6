"""The server's protocol core: monitors, waiting transactions, locks, sessions beside one another."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from ovsdb_example import counted_uuids, example_database, root

from tulle.ovsdb.jsonrpc import Splitter
from tulle.ovsdb.monitor import apply_difference, emit_difference
from tulle.ovsdb.schema import load
from tulle.ovsdb.server import Server
from tulle.ovsdb.service import Service, Session
from tulle.ovsdb.types import parse_type


class Clock:
    """A clock that tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Host:
    """A service with the example database, a clock, and two sessions."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.service = Service(self.clock, counted_uuids())
        self.database = example_database()
        self.service.add_database(self.database)
        self.one, self.two = Session(self.service), Session(self.service)

    def call(self, session, method, *params, request_id=1):
        """Send a request and give everything the session has been sent."""
        session.receive({"method": method, "params": list(params), "id": request_id})
        return sent(session)


def sent(session):
    return list(Splitter().receive(b"".join(session.take_output())))


WAIT = {
    "op": "wait",
    "table": "Root",
    "where": [],
    "columns": ["name"],
    "until": "==",
    "rows": [{"name": "a"}],
}


def test_monitor_sends_old_and_new_of_changed_columns():
    host = Host()
    host.database.transact([root("a", number=1)])
    request = {"Root": {"columns": ["name", "number"]}}
    (reply,) = host.call(host.one, "monitor", "Example", "m", request)
    ((uuid, row),) = reply["result"]["Root"].items()
    assert row == {"new": {"name": "a", "number": 1}}
    host.database.transact([{"op": "update", "table": "Root", "where": [], "row": {"number": 2, "ratio": 1}}])
    host.database.transact([{"op": "update", "table": "Root", "where": [], "row": {"ratio": 2}}])
    host.database.transact([{"op": "delete", "table": "Root", "where": []}])
    changed, deleted = (message["params"] for message in sent(host.one))
    assert changed == ["m", {"Root": {uuid: {"old": {"number": 1}, "new": {"name": "a", "number": 2}}}}]
    assert deleted == ["m", {"Root": {uuid: {"old": {"name": "a", "number": 2}}}}]


def test_monitor_cond_shows_rows_that_come_into_view():
    host = Host()
    host.call(
        host.one,
        "monitor_cond",
        "Example",
        "m",
        {"Root": [{"columns": ["name"], "where": [["number", "==", 5]]}]},
    )
    host.database.transact([root("a", number=1)])
    assert sent(host.one) == []
    for number in (5, 6):
        host.database.transact([{"op": "update", "table": "Root", "where": [], "row": {"number": number}}])
    updates = [next(iter(message["params"][1]["Root"].values())) for message in sent(host.one)]
    assert updates == [{"insert": {"name": "a"}}, {"delete": None}]


def test_select_and_cancel_silence_a_monitor():
    host = Host()
    request = {"Root": [{"columns": ["name"], "select": {"insert": False}}]}
    host.call(host.one, "monitor", "Example", ["m", 1], request)
    host.database.transact([root("a")])
    assert sent(host.one) == []
    assert host.call(host.one, "monitor_cancel", ["m", 1])[0]["result"] == {}
    host.database.transact([{"op": "delete", "table": "Root", "where": []}])
    assert sent(host.one) == [] and not host.service.groups


def test_sessions_with_one_request_share_a_group_until_they_go():
    host = Host()
    for session in (host.one, host.two):
        host.call(session, "monitor", "Example", id(session), {"Root": {}})
    assert len(host.service.groups) == 1
    host.one.close()
    host.database.transact([root("a")])
    assert len(sent(host.two)) == 1
    host.two.close()
    assert not host.service.groups


def test_update_arrives_before_the_reply_of_its_transaction():
    host = Host()
    host.call(host.one, "monitor", "Example", "m", {"Root": {}})
    update, reply = host.call(host.one, "transact", "Example", root("a"), request_id=9)
    assert update["method"] == "update" and reply["id"] == 9


def test_waiting_transaction_goes_on_when_its_rows_come():
    host = Host()
    assert host.call(host.one, "transact", "Example", {**WAIT, "timeout": 1000}, root("b")) == []
    host.call(host.two, "transact", "Example", root("a"))
    (reply,) = sent(host.one)
    assert reply["result"][0] == {} and "uuid" in reply["result"][1]


def test_waiting_transaction_times_out_or_is_cancelled():
    host = Host()
    host.call(host.one, "transact", "Example", {**WAIT, "timeout": 1000}, request_id=1)
    host.call(host.one, "transact", "Example", WAIT, request_id=2)
    assert host.service.next_deadline() == 1.0
    host.clock.now = 1.0
    host.service.expire()
    assert [(reply["id"], reply["result"]) for reply in sent(host.one)] == [(1, [{"error": "timed out"}])]
    (reply,) = host.call(host.one, "cancel", 2, request_id=None)
    assert (reply["id"], reply["error"]) == (2, "canceled")
    assert not host.service.waiting


def test_locks_pass_on_and_guard_transactions():
    host = Host()
    guarded = ({"op": "assert", "lock": "l"}, root("a"))
    assert host.call(host.one, "lock", "l")[0]["result"] == {"locked": True}
    assert host.call(host.two, "lock", "l")[0]["result"] == {"locked": False}
    (reply,) = host.call(host.two, "transact", "Example", *guarded)
    assert reply["result"][0]["error"] == "not owner"
    host.one.close()
    assert sent(host.two)[0]["method"] == "locked"
    (reply,) = host.call(host.two, "transact", "Example", *guarded)
    assert "uuid" in reply["result"][1]


def test_stolen_lock_is_announced():
    host = Host()
    host.call(host.one, "lock", "l")
    assert host.call(host.two, "steal", "l")[0]["result"] == {"locked": True}
    assert sent(host.one)[0]["method"] == "stolen"


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("fly", [], "unknown method"),
        ("get_schema", ["Absent"], "unknown database"),
        ("monitor", ["Example", 1, {"Absent": {}}], "unknown table"),
        ("monitor", ["Example", 1, {"Root": {"columns": ["absent"]}}], "unknown column"),
        ("monitor_cancel", [1], "unknown monitor"),
        ("lock", [1], "syntax error"),
        ("transact", [], "syntax error"),
    ],
)
def test_bad_requests_get_the_error_of_the_rfc(method, params, error):
    host = Host()
    (reply,) = host.call(host.one, method, *params)
    assert error in (
        reply["error"],
        reply["error"] if isinstance(reply["error"], str) else reply["error"]["error"],
    )


def test_catalog_lists_databases_and_is_read_only():
    host = Host()
    select = {"op": "select", "table": "Database", "where": [], "columns": ["name", "model"]}
    (reply,) = host.call(host.one, "transact", "_Server", select)
    assert {row["name"] for row in reply["result"][0]["rows"]} == {"Example", "_Server"}
    (reply,) = host.call(host.one, "transact", "_Server", {"op": "delete", "table": "Database", "where": []})
    assert reply["result"][0]["error"] == "not allowed"


def test_differences_of_sets_and_maps_lead_from_old_to_new():
    some = parse_type({"key": "integer", "min": 0, "max": 5})
    assert emit_difference(some, frozenset((1, 2)), frozenset((2, 3))) == ["set", [1, 3]]
    assert apply_difference(some, frozenset((1, 2)), frozenset((1, 3))) == {2, 3}
    pairs = parse_type({"key": "string", "value": "integer", "min": 0, "max": 5})
    assert emit_difference(pairs, {"a": 1, "b": 2}, {"b": 3, "c": 4}) == [
        "map",
        [["a", 1], ["b", 3], ["c", 4]],
    ]
    assert apply_difference(pairs, {"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": 3, "c": 4}


def test_shipped_schema_survives_emit_and_parse():
    schema = load("vswitch")
    assert (schema.name, schema.version, len(schema.tables)) == ("Open_vSwitch", "8.3.1", 19)
    assert orjson.loads(orjson.dumps(schema.emit()))["tables"].keys() == schema.tables.keys()


async def test_client_that_does_not_read_is_disconnected_and_others_go_on(tmp_path):
    database = example_database()
    async with Server([database], max_output_bytes=100_000) as server:
        await server.listen(f"punix:{tmp_path}/s")
        reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/s", limit=1000)
        writer.write(orjson.dumps({"method": "monitor", "params": ["Example", 1, {"Root": {}}], "id": 1}))
        await writer.drain()
        while not server.service.groups:
            await asyncio.sleep(0)
        for number in range(60):
            database.transact([root(f"{number}", options=["map", [["k", "x" * 20_000]]])])
            await asyncio.sleep(0)
        assert not server.connections and not server.service.sessions
        writer.close()
        await asyncio.gather(reader.read(), return_exceptions=True)
