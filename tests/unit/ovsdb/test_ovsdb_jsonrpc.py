"""Cutting a byte stream into JSON-RPC messages."""

import orjson
import pytest

from tulle.errors import ProtocolError
from tulle.ovsdb.jsonrpc import Splitter

MESSAGES = [
    {"method": "a", "params": [], "id": 1},
    {},
    {"text": 'braces }{ in "strings" \\', "deep": [[{"x": {"y": []}}]]},
    {"x": "}"},
    {"big": ["} {"] * 2000, "id": None},
]
STREAM = b" \n".join(orjson.dumps(message) for message in MESSAGES) + orjson.dumps(MESSAGES[0])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 5000, len(STREAM)])
def test_messages_come_out_whole_however_the_stream_is_cut(size):
    splitter = Splitter()
    found = []
    for start in range(0, len(STREAM), size):
        found.extend(splitter.receive(STREAM[start : start + size]))
    assert found == [*MESSAGES, MESSAGES[0]]


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"nonsense",
        b'{"a":}',
        b'{"a":1]',
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b"{" * 1500,
        b'{"a":' + b"[" * 1500,
    ],
)
def test_what_is_no_json_object_is_refused(data):
    with pytest.raises(ProtocolError):
        list(Splitter().receive(data + b"}" * 3))


def test_message_over_the_limit_is_refused_before_it_ends():
    splitter = Splitter(max_bytes=1000)
    with pytest.raises(ProtocolError, match="exceeds"):
        for _ in range(100):
            list(splitter.receive(b'{"a":"' if not _ else b"x" * 100))


def test_messages_that_a_caller_left_are_given_by_the_next_call() -> None:
    splitter = Splitter()
    stream = splitter.receive(b'{"id":1}{"id":2} {"id":3}{"id":')
    assert next(iter(stream)) == {"id": 1}
    stream.close()  # type: ignore[attr-defined]
    assert list(splitter.receive(b"")) == [{"id": 2}, {"id": 3}]
    assert list(splitter.receive(b"4}")) == [{"id": 4}]
