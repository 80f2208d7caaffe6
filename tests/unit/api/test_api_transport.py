"""Answers of a controller that is not what it should be end in errors with a name."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import orjson
import pytest

from tulle.api import connect
from tulle.errors import Conflict, ProtocolError, TulleError, Unavailable


def answering(path: Path, answer: bytes) -> threading.Thread:
    """A server that gives one connection these bytes, whatever is asked."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def error_of(path: Path, answer: bytes) -> TulleError:
    thread = answering(path, answer)
    with pytest.raises(TulleError) as raised:
        connect(path).nodes()
    thread.join(10)
    return raised.value


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_named_error_comes_back_as_the_same_exception(tmp_path):
    document = {"kind": "Conflict", "code": "conflict", "message": "taken", "where": "a.yaml:3"}
    error = error_of(tmp_path / "s", http("409 Conflict", orjson.dumps({"error": document})))
    assert isinstance(error, Conflict)
    assert (error.code, str(error)) == ("conflict", "a.yaml:3: taken")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        http("200 OK", b"no json"),
        http("200 OK", b"[1]"),
        http("500 Oops", b"{}"),
    ],
)
def test_anything_else_is_a_protocol_error_or_unavailable(tmp_path, answer):
    assert isinstance(error_of(tmp_path / "s", answer), ProtocolError | Unavailable)


def test_nobody_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="no controller answers"):
        connect(tmp_path / "nobody").networks()
