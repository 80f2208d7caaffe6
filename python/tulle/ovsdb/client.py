"""One connection of a client to an OVSDB server, over asyncio.  `replica` adds following and reconnecting."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any, Self

from tulle.errors import InvalidInput, ProtocolError, Unavailable
from tulle.ovsdb import jsonrpc
from tulle.ovsdb.database import first_error
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.remote import Remote, parse_remote
from tulle.ovsdb.schema import DatabaseSchema, parse_schema
from tulle.ovsdb.tls import HANDSHAKE_S, Tls

Notified = Callable[[str, list[Any]], None]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_MAX_MESSAGE_BYTES = 1 << 30
_READ_BYTES = 1 << 20


class Client:
    """Requests and their replies; notifications go to `on_notification(method, params)` in order.

    async with await Client.connect("unix:/run/db.sock") as client:
        results = await client.transact("Tulle", operations)
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_notification: Notified | None
    ) -> None:
        self._writer = writer
        self._on_notification = on_notification
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._splitter = jsonrpc.Splitter(_MAX_MESSAGE_BYTES)
        self._failure: Exception = Unavailable("the connection is closed")
        self.closed = asyncio.Event()
        self._task = asyncio.create_task(self._receive(reader))

    @classmethod
    async def connect(
        cls, remote: str, on_notification: Notified | None = None, *, tls: Tls | None = None
    ) -> Self:
        """Connect to unix:PATH, tcp:HOST:PORT or, with `tls`, ssl:HOST:PORT; raises `Unavailable`."""
        place = parse_remote(remote)
        if place.listens:
            raise InvalidInput(f"cannot connect to a listening remote: {remote}")
        try:
            return cls(*await _connect(place, tls), on_notification)
        except OSError as error:
            raise Unavailable(f"cannot connect to {remote}: {error.strerror or error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect; requests that have no reply yet raise `Unavailable`."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def request(self, method: str, *params: Any) -> Any:
        """The result of a request; raises `OvsdbError` for an error, `Unavailable` if the connection ends."""
        if self.closed.is_set():
            raise self._failure
        request_id = next(self._ids)
        reply = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        try:
            self._writer.write(jsonrpc.request(method, list(params), request_id))
            return await reply
        finally:
            self._replies.pop(request_id, None)

    async def transact(self, database: str, operations: Iterable[Any]) -> list[Any]:
        """The results of a transaction; raises the `OvsdbError` of the operation that failed."""
        results = await self.request("transact", database, *operations)
        if not isinstance(results, list):
            raise ProtocolError("expected an array of results")
        if any(isinstance(result, dict) and result.get("error") is not None for result in results):
            raise first_error(results)
        return results

    async def databases(self) -> list[str]:
        """The names of the databases that the server has."""
        return [str(name) for name in await self.request("list_dbs")]

    async def schema(self, database: str) -> DatabaseSchema:
        """A database's schema."""
        return parse_schema(await self.request("get_schema", database))

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(1 << 18):
                for message in self._splitter.receive(data):
                    self._take(message)
        except ProtocolError as error:
            self._failure = error
        except OSError as error:
            self._failure = Unavailable(f"the connection broke: {error}")
        finally:
            self.closed.set()
            self._writer.close()
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(self._failure)

    def _take(self, message: jsonrpc.Message) -> None:
        if not jsonrpc.is_request(message):
            self._resolve(message)
        elif message["method"] == "echo" and message.get("id") is not None:
            self._writer.write(jsonrpc.reply(message["params"], message["id"]))
        elif self._on_notification is not None:
            self._on_notification(message["method"], message["params"])

    def _resolve(self, message: jsonrpc.Message) -> None:
        request_id = message.get("id")
        reply = self._replies.get(request_id) if type(request_id) is int else None
        if reply is None or reply.done():
            return
        if message.get("error") is not None:
            reply.set_exception(OvsdbError.parse(message["error"]))
        else:
            reply.set_result(message.get("result"))


async def _connect(place: Remote, tls: Tls | None) -> Streams:
    if place.path:
        return await asyncio.open_unix_connection(place.path, limit=_READ_BYTES)
    if not place.secure:
        return await asyncio.open_connection(place.host, place.port, limit=_READ_BYTES)
    if tls is None:
        raise Unavailable(f"{place} needs a private key, a certificate and a CA certificate")
    if tls.needs_bootstrap:
        _, writer = await _open_tls(place, tls)
        writer.transport.abort()
        tls.learn(writer.get_extra_info("ssl_object"))
    return await _open_tls(place, tls)


async def _open_tls(place: Remote, tls: Tls) -> Streams:
    return await asyncio.open_connection(
        place.host,
        place.port,
        limit=_READ_BYTES,
        ssl=tls.client_context(),
        server_hostname="",
        ssl_handshake_timeout=HANDSHAKE_S,
    )
