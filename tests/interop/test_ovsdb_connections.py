"""Connections of a server within this process: bad and slow clients, inactivity, limits, connecting out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from tulle.errors import Unavailable
from tulle.ovsdb import jsonrpc, schema
from tulle.ovsdb.client import Client
from tulle.ovsdb.database import Database
from tulle.ovsdb.remote import RemoteOptions
from tulle.ovsdb.server import Server

PATIENCE_S = 60
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def new_database() -> Database:
    return Database(schema.load("vswitch"))


async def until(condition: Callable[[], object], what: Callable[[], object] = lambda: "") -> None:
    """Turn the loop until something holds."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"never happened: {what()}")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes."""
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    except (BrokenPipeError, ConnectionResetError):
        return b""


def request(method: str, *params: Any) -> bytes:
    return jsonrpc.request(method, list(params), 1)


async def is_serving(place: Path) -> bool:
    async with await Client.connect(f"unix:{place}") as client:
        return await client.databases() == ["Open_vSwitch", "_Server"]


@pytest.mark.parametrize(
    ("garbage", "said"),
    [
        (b"[" * 50, "JSON object"),
        (b'{"method":"echo","params":["\xff"],"id":1}', "malformed JSON"),
        (b'{"id":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested deeper"),
        (b'{"id":"' + b"x" * 2_000_000, "exceeds"),
        (b'{"method":7,"params":[],"id":1}', "method name"),
        (b'{"a":1}', "neither a request"),
    ],
)
async def test_garbage_ends_its_own_connection_with_a_log_line(
    tmp_path: Path, garbage: bytes, said: str
) -> None:
    place = tmp_path / "s"
    async with Server([new_database()], max_message_bytes=1_000_000) as server:
        await server.listen(f"punix:{place}")
        bystander = await Client.connect(f"unix:{place}")
        with structlog.testing.capture_logs() as logs:
            reader, writer = await asyncio.open_unix_connection(place)
            writer.write(garbage)
            assert await ended(reader) == b""
            writer.close()
        assert any(said in str(entry.get("error")) for entry in logs), logs
        assert await bystander.databases() == ["Open_vSwitch", "_Server"]
        await bystander.close()


async def test_half_a_message_waits_for_the_other_half(tmp_path: Path) -> None:
    place = tmp_path / "s"
    async with Server([new_database()]) as server:
        await server.listen(f"punix:{place}")
        reader, writer = await asyncio.open_unix_connection(place)
        whole = request("echo", "x")
        writer.write(whole[:9])
        await writer.drain()
        assert await is_serving(place)
        writer.write(whole[9:])
        answer = jsonrpc.reply(["x"], 1)
        assert await asyncio.wait_for(reader.readexactly(len(answer)), PATIENCE_S) == answer
        writer.close()


async def test_a_client_that_asks_and_never_reads_is_not_read_either(tmp_path: Path) -> None:
    place, payload = tmp_path / "s", "x" * 300_000
    async with Server([new_database()]) as server:
        await server.listen(f"punix:{place}")
        reader, writer = await asyncio.open_unix_connection(place, limit=1000)
        for _ in range(100):
            writer.write(request("echo", payload))
        await until(lambda: any(one.waiting_bytes > 1 << 20 for one in server.connections))
        assert await is_serving(place)
        assert max(one.waiting_bytes for one in server.connections) < 4 << 20
        received = 0
        whole = 100 * len(jsonrpc.reply([payload], 1))
        while received < whole:
            received += len(await asyncio.wait_for(reader.read(1 << 20), PATIENCE_S))
        assert received == whole, "every request is answered once there is room"
        writer.close()


async def test_a_silent_client_is_disconnected_and_one_that_answers_stays(tmp_path: Path) -> None:
    place = tmp_path / "s"
    async with Server([new_database()]) as server:
        await server.listen(f"punix:{place}", RemoteOptions(probe_s=0.1))
        silent, writer = await asyncio.open_unix_connection(place)
        answering = await Client.connect(f"unix:{place}")
        assert orjson.loads(await ended(silent))["method"] == "echo"
        writer.close()
        assert await answering.databases()
        assert len(server.connections) == 1
        await answering.close()


async def test_more_clients_than_the_maximum_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "s"
    async with Server([new_database()], max_connections=2) as server:
        await server.listen(f"punix:{place}")
        clients = [await Client.connect(f"unix:{place}") for _ in range(2)]
        for client in clients:
            assert await client.databases()
        reader, writer = await asyncio.open_unix_connection(place)
        assert await ended(reader) == b""
        writer.close()
        await clients[0].close()
        await until(lambda: len(server.connections) == 1)
        assert await is_serving(place)
        await clients[1].close()


async def test_a_socket_is_private_replaces_a_dead_one_and_spares_a_live_one(tmp_path: Path) -> None:
    place = tmp_path / "s"
    async with Server([new_database()]) as server, Server([new_database()]) as second:
        await server.listen(f"punix:{place}")
        assert place.stat().st_mode & 0o077 == 0
        with pytest.raises(Unavailable, match="in use"):
            await second.listen(f"punix:{place}")
        assert await is_serving(place)
    assert not place.exists()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place))
    dead.close()
    async with Server([new_database()]) as third:
        await third.listen(f"punix:{place}")
        assert await is_serving(place)


async def test_the_server_connects_out_again_after_each_end(tmp_path: Path) -> None:
    place, came = tmp_path / "s", asyncio.Queue[Streams]()
    listener = await asyncio.start_unix_server(lambda *streams: came.put(streams), place)
    async with Server([new_database()]) as server:
        options = RemoteOptions(max_backoff_s=0.1)
        dialer = await server.open(f"unix:{place}", options)
        for _ in range(3):
            reader, writer = await asyncio.wait_for(came.get(), PATIENCE_S)
            writer.write(request("list_dbs"))
            answer = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
            assert orjson.loads(answer)["result"] == ["Open_vSwitch", "_Server"]
            assert dialer.status()["state"] == "ACTIVE"
            writer.close()
    listener.close()


async def test_read_only_clients_of_a_remote_cannot_write(tmp_path: Path) -> None:
    place, insert = tmp_path / "s", {"op": "insert", "table": "Open_vSwitch", "row": {}}
    database = new_database()
    async with Server([database]) as server:
        await server.listen(f"punix:{place}", RemoteOptions(read_only=True))
        async with await Client.connect(f"unix:{place}") as client:
            with pytest.raises(Exception, match="not allowed"):
                await client.transact("Open_vSwitch", [insert])
        assert not database.rows("Open_vSwitch")
