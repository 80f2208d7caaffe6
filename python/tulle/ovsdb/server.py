"""The asyncio edge of the server: databases, the remotes they are served at, and when output leaves.

A client's answers leave at once, or if a commit must be durable, at the end of the turn of the event loop, so that
one fsync serves many.  Updates leave then too, but after others only when a moment has passed, so that in a burst
of commits each follower costs one write for many of them.  Sockets are in `endpoint` and
`connection`, remotes that a table names in `configured`, what the clients say in `service`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Self

import structlog

from tulle.errors import Unavailable
from tulle.ovsdb import history, jsonrpc
from tulle.ovsdb.connection import Connection
from tulle.ovsdb.database import Database
from tulle.ovsdb.endpoint import Dialer, Endpoint, Listener
from tulle.ovsdb.remote import RemoteOptions, parse_remote
from tulle.ovsdb.service import Service
from tulle.ovsdb.tls import Tls

_logger = structlog.get_logger(__name__)
MAX_OUTPUT_BYTES = 256 << 20
MAX_CONNECTIONS = 1000
_BURST_S = 0.001


class Server:
    """Serves databases at several remotes.

    async with Server([database]) as server:
        await server.listen("punix:/run/tulle/db.sock")
    """

    def __init__(
        self,
        databases: Iterable[Database],
        *,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        max_message_bytes: int = jsonrpc.MAX_MESSAGE_BYTES,
        max_connections: int = MAX_CONNECTIONS,
        history_bytes: int = history.MAX_BYTES,
        tls: Tls | None = None,
    ) -> None:
        """`tls` is needed for pssl and ssl remotes; more connections than the maximum are refused."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.service = Service(lambda: asyncio.get_running_loop().time(), history_bytes=history_bytes)
        self.max_output_bytes = max_output_bytes
        self.max_message_bytes = max_message_bytes
        self.max_connections = max_connections
        self.tls = tls
        self.connections: set[Connection] = set()
        self.endpoints: list[Endpoint] = []
        self._ready: set[Connection] = set()
        self._receiving = self._wanted = False
        self._flushed_s = 0.0
        self._flush: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._subscriptions: dict[str, Callable[[], None]] = {}
        for database in databases:
            self.add_database(database)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def add_database(self, database: Database) -> None:
        """Serve one more database; raises `Conflict` if one of that name is served."""
        self.service.add_database(database)
        self._subscriptions[database.name] = database.subscribe(lambda _changes: self.schedule_flush())

    def remove_database(self, name: str) -> None:
        """Serve a database no more; raises "unknown database"."""
        self.flush()  # its last commits are on disk before anybody hears of them
        self.service.remove_database(name)
        self._subscriptions.pop(name)()
        self.schedule_flush()

    async def listen(self, remote: str, options: RemoteOptions = RemoteOptions()) -> str:  # noqa: B008
        """Serve at a remote; the remote, with the port that was chosen for port 0.  See `open`."""
        return (await self.open(remote, options)).text

    async def open(self, remote: str, options: RemoteOptions) -> Endpoint:
        """Listen at a passive remote, or keep a connection to an active one.

        Raises `InvalidInput` for a malformed remote, `Unavailable` if it cannot be listened at.
        """
        self._loop = asyncio.get_running_loop()
        place = parse_remote(remote)
        endpoint = (Listener if place.listens else Dialer)(self, place, options)
        await endpoint.start()
        self.endpoints.append(endpoint)
        return endpoint

    def close_endpoint(self, endpoint: Endpoint) -> None:
        """Serve at a remote no more."""
        self.endpoints.remove(endpoint)
        endpoint.close()

    def tls_required(self) -> Tls:
        """The TLS set-up; raises `Unavailable` if there is none."""
        if self.tls is None:
            raise Unavailable("TLS needs a private key, a certificate and a CA certificate")
        return self.tls

    async def close(self) -> None:
        """Stop listening, disconnect everybody and remove the sockets."""
        self.flush()
        for endpoint in list(self.endpoints):
            self.close_endpoint(endpoint)
        for connection in list(self.connections):
            connection.close()
        for handle in (self._flush, self._timer):
            if handle is not None:
                handle.cancel()

    def forget(self, connection: Connection) -> None:
        """A connection ended."""
        self.connections.discard(connection)
        self._ready.discard(connection)

    def schedule_flush(self, connection: Connection | None = None) -> None:
        """Send at the end of this turn of the loop, what `connection` has to say too."""
        if connection is not None:
            self._ready.add(connection)
        if self._receiving:
            self._wanted = True
        elif self._flush is None and self._loop is not None:
            self._flush = self._loop.call_soon(self.flush)

    def receive(self, connection: Connection, data: bytes) -> None:
        """Let a connection take its bytes, then send what came of it."""
        self._receiving, self._wanted = True, False
        try:
            connection.take(data)
        finally:
            self._receiving = False
        if not self._wanted:
            return
        if self.service.unsynced:
            self.schedule_flush()
            return
        if connection in self._ready:
            self._ready.discard(connection)
            connection.flush()
        if self._flush is None and self._loop is not None:
            self._flush = self._loop.call_at(self._flushed_s + _BURST_S, self.flush)

    def flush(self) -> None:
        """Make commits durable, then send what they and their replies produced."""
        self._flush = None
        if self._loop is not None:
            self._flushed_s = self._loop.time()
        self.service.retry_waiting()
        try:
            self.service.sync()
        except OSError as error:
            # Nobody may be told of a commit that the disk does not have.
            _logger.error("cannot write the database; disconnecting clients", error=str(error))
            for connection in list(self.connections):
                connection.abort("the database cannot be written")
            return
        ready, self._ready = self._ready, set()
        for connection in ready:
            connection.flush()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.service.next_deadline()
        if deadline is not None and self._loop is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.service.expire()
        self.flush()
