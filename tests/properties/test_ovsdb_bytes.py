"""Any bytes and any JSON on the request path end in an answer or a `ProtocolError`; service goes on."""

from __future__ import annotations

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tulle.errors import ProtocolError
from tulle.ovsdb import jsonrpc, schema
from tulle.ovsdb.database import Database
from tulle.ovsdb.log import CorruptLog, emit_record, scan
from tulle.ovsdb.service import Service, Session

WORDS = [
    "Open_vSwitch",
    "Bridge",
    "Port",
    "name",
    "ports",
    "bridges",
    "_uuid",
    "_Server",
    "set",
    "map",
    "uuid",
]
WORDS += [
    "named-uuid",
    "==",
    "includes",
    "insert",
    "delete",
    "+=",
    "select",
    "update",
    "mutate",
    "wait",
    "until",
]
WORDS += ["11111111-2222-3333-4444-555555555555", "", "other_config", "initial", "x"]
MEMBERS = [
    "op",
    "table",
    "row",
    "rows",
    "where",
    "columns",
    "mutations",
    "until",
    "timeout",
    "uuid-name",
    "uuid",
]
MEMBERS += ["comment", "lock", "durable", "select", "Bridge", "Port", "name", "ports", "other_config"]
METHODS = ["list_dbs", "get_schema", "transact", "cancel", "monitor", "monitor_cond", "monitor_cond_since"]
METHODS += [
    "monitor_cancel",
    "lock",
    "steal",
    "unlock",
    "echo",
    "get_server_id",
    "set_db_change_aware",
    "none",
]

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
)
values = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)
OPERATIONS = [
    "insert",
    "select",
    "update",
    "mutate",
    "delete",
    "wait",
    "commit",
    "abort",
    "comment",
    "assert",
]
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(OPERATIONS)},
    optional={
        "table": st.sampled_from(["Bridge", "Port", "Open_vSwitch", "none"]),
        "row": st.dictionaries(st.sampled_from(MEMBERS), values, max_size=3),
        **{name: values for name in MEMBERS if name not in ("op", "table", "row")},
    },
)
transacts = st.tuples(
    st.just("transact"), st.lists(operations, max_size=4).map(lambda some: ["Open_vSwitch", *some])
)
requests = st.one_of(transacts, st.tuples(st.sampled_from(METHODS), st.lists(values, max_size=5)))
messages = st.one_of(
    st.tuples(requests, values).map(lambda pair: {"method": pair[0][0], "params": pair[0][1], "id": pair[1]}),
    st.dictionaries(st.sampled_from(["method", "params", "id", "result", "error"]), values),
)


def service() -> Service:
    now = iter(range(1 << 30))
    found = Service(lambda: float(next(now)))
    found.add_database(Database(schema.load("vswitch")))
    return found


def answers(session: Session) -> list[jsonrpc.Message]:
    return list(jsonrpc.Splitter().receive(b"".join(session.take_output())))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(messages, max_size=5))
def test_any_message_is_answered_or_refused(sent):
    host = service()
    session = Session(host)
    for message in sent:
        try:
            session.receive(message)
        except ProtocolError:
            continue
    answers(session)
    session.close()
    assert not host.waiting and not host.groups
    other = Session(host)
    other.receive({"method": "list_dbs", "params": [], "id": 7})
    assert answers(other) == [{"result": ["Open_vSwitch", "_Server"], "error": None, "id": 7}]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.binary(max_size=50), messages.map(orjson.dumps)), max_size=6))
def test_any_bytes_are_messages_or_refused(chunks):
    splitter, session = jsonrpc.Splitter(max_bytes=10_000), Session(service())
    try:
        for chunk in chunks:
            for message in splitter.receive(chunk):
                session.receive(message)
    except ProtocolError:
        pass
    answers(session)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(messages, max_size=4), st.integers(min_value=0), st.binary(max_size=40))
def test_any_file_is_scanned_or_refused(records, place, junk):
    data = b"".join(emit_record(record) for record in records)
    place %= len(data) + 1
    damaged = data[:place] + junk + data[place + len(junk) :]
    try:
        found = scan(damaged, "file")
    except CorruptLog:
        return
    assert found.records == [orjson.loads(orjson.dumps(record)) for record in records][: len(found.records)]
