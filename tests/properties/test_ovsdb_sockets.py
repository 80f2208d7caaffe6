"""Any bytes, cut anywhere, over a real socket to a real server: answers or a closed connection, never harm."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_ovsdb_bytes import messages

PYTHON_PATH = str(Path(__file__).parents[2] / "python")
MOST_BYTES = 1 << 20
Server = tuple[subprocess.Popen[str], Path]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ovsdb")
    place = folder / "s"
    command = [sys.executable, "-m", "tulle.ovsdb", f"--remote=punix:{place}"]
    command += ["-vconsole:off", "--db", str(folder / "db"), "--schema", "vswitch"]
    environment = {**os.environ, "PYTHONPATH": PYTHON_PATH}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline().startswith("listening")
    yield process, place
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0, "the server ended by itself"


def connect(place: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(60)
    made.connect(str(place))
    return made


def answers(place: Path, chunks: list[bytes]) -> bytes:
    """Everything that the server sends to one who sends chunks and then no more."""
    received = b""

    def send() -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            for chunk in chunks:
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)

    # At the same time: a server need not read on for somebody who does not read its answers.
    with connect(place) as connection, ThreadPoolExecutor(1) as beside:
        beside.submit(send)
        try:
            while data := connection.recv(65536):
                received += data
                assert len(received) < 64 * MOST_BYTES, "answers without end"
        except ConnectionResetError:
            pass
    return received


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


pieces = st.one_of(
    st.binary(max_size=60),
    messages.map(orjson.dumps),
    st.integers(1, 3000).map(lambda depth: b'{"id":' + b"[" * depth),
    st.sampled_from(
        [b"\xff\xfe", b'{"id":"\xc3("}', b"\0" * 100, b'{"method":', b"}" * 50, b'"' * 99, b"[{}]"]
    ),
    st.integers(1, MOST_BYTES).map(
        lambda size: b'{"id":0,"method":"echo","params":["' + b"x" * size + b'"]}'
    ),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(pieces, max_size=6), st.lists(st.integers(0, 1 << 30), max_size=6))
@example([b'{"id":1,"method":"echo","params":' + b"[" * 900 + b"]" * 900 + b"}"], [])
@example([b'{"id":1,"method":"transact","params":["Open_vSwitch",{"op":' + b'{"x":' * 500], [1, 2, 3])
def test_any_bytes_over_a_socket_leave_the_server_serving(
    server: Server, some: list[bytes], places: list[int]
) -> None:
    process, place = server
    for one in answers(place, cut(b"".join(some), places)).split(b"\n"):
        assert not one or one.startswith(b"{"), one[:100]
    assert process.poll() is None, "the server died"
    listed = orjson.loads(answers(place, [b'{"method":"list_dbs","params":[],"id":7}']))
    assert listed == {"result": ["Open_vSwitch", "_Server"], "error": None, "id": 7}
