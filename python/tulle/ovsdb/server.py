"""The asyncio edge of the server: sockets around `service`.

Replies and updates of one turn of the event loop leave after one fsync.  A client that does not read is
disconnected when what waits for it exceeds a bound, so it can neither block others nor grow memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import structlog

from tulle.errors import ProtocolError, Unavailable
from tulle.ovsdb import jsonrpc
from tulle.ovsdb.database import Database
from tulle.ovsdb.remote import parse_remote
from tulle.ovsdb.service import Service, Session

_logger = structlog.get_logger(__name__)
MAX_OUTPUT_BYTES = 256 << 20
_PROBE_S = 60.0
_MAX_SESSIONS = 1000


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
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.service = Service(lambda: asyncio.get_running_loop().time())
        self.max_output_bytes = max_output_bytes
        self.max_message_bytes = max_message_bytes
        self.connections: set[Connection] = set()
        self._listeners: list[asyncio.AbstractServer] = []
        self._sockets: list[tuple[Path, int]] = []
        self._flush: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        for database in databases:
            self.service.add_database(database)
            database.subscribe(lambda _changes: self.schedule_flush())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def listen(self, remote: str) -> str:
        """Listen at punix:PATH or ptcp:PORT[:HOST]; the remote, with the port that was chosen for port 0.

        Raises `Unavailable` if that cannot be.
        """
        place = parse_remote(remote)
        self._loop = asyncio.get_running_loop()
        try:
            if place.path:
                path = Path(place.path)
                await _remove_stale_socket(path)
                listener = await self._loop.create_unix_server(lambda: Connection(self), place.path)
                self._sockets.append((path, path.stat().st_ino))
            else:
                listener = await self._loop.create_server(
                    lambda: Connection(self), place.host or None, place.port
                )
        except OSError as error:
            raise Unavailable(f"cannot listen at {remote}: {error}") from error
        self._listeners.append(listener)
        if place.path:
            return remote
        return f"ptcp:{listener.sockets[0].getsockname()[1]}:{place.host}"

    async def close(self) -> None:
        """Stop listening, disconnect everybody and remove the sockets."""
        for listener in self._listeners:
            listener.close()
        self.flush()
        for connection in list(self.connections):
            connection.close()
        for path, inode in self._sockets:
            if path.exists() and path.stat().st_ino == inode:
                path.unlink()
        for handle in (self._flush, self._timer):
            if handle is not None:
                handle.cancel()
        self._listeners, self._sockets = [], []

    def schedule_flush(self) -> None:
        """Send at the end of this turn of the loop."""
        if self._flush is None and self._loop is not None:
            self._flush = self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Make commits durable, then send what they and their replies produced."""
        self._flush = None
        self.service.retry_waiting()
        try:
            self.service.sync()
        except OSError as error:
            # Nobody may be told of a commit that the disk does not have.
            _logger.error("cannot write the database; disconnecting clients", error=str(error))
            for connection in list(self.connections):
                connection.close()
            return
        for connection in list(self.connections):
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


class Connection(asyncio.Protocol):
    """One client's socket."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._splitter = jsonrpc.Splitter(server.max_message_bytes)
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._probed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._server.connections) >= _MAX_SESSIONS:
            _logger.warning("too many clients", limit=_MAX_SESSIONS)
            transport.abort()
            return
        self._session = Session(self._server.service, self._server.schedule_flush)
        self._server.connections.add(self)
        self._arm_probe()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._session is None:
            return
        self._probed = False
        try:
            for message in self._splitter.receive(data):
                self._session.receive(message)
        except (ProtocolError, TypeError, RecursionError) as error:
            # TypeError: orjson cannot emit again what a client nested too deep in an id or an echo.
            _logger.warning("disconnecting a client that broke the protocol", error=str(error))
            self._server.flush()
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """The client went."""
        if self._probe is not None:
            self._probe.cancel()
        self._server.connections.discard(self)
        if self._session is not None:
            self._session.close()
            self._session = None

    def flush(self) -> None:
        """Send what has gathered, or disconnect a client that has not read for too long."""
        if self._session is None or self._transport is None:
            return
        output = self._session.take_output()
        if not output:
            return
        self._transport.write(b"".join(output))
        waiting = self._transport.get_write_buffer_size()
        if waiting > self._server.max_output_bytes:
            _logger.warning("disconnecting a client that does not read", waiting_bytes=waiting)
            self._transport.abort()
            self.connection_lost(None)

    def close(self) -> None:
        """Disconnect after sending what was written."""
        if self._transport is not None:
            self._transport.close()
        self.connection_lost(None)

    def _arm_probe(self) -> None:
        self._probe = asyncio.get_running_loop().call_later(_PROBE_S, self._probe_peer)

    def _probe_peer(self) -> None:
        """Ask an idle client for a sign of life; disconnect if the last question went unanswered."""
        if self._session is None or self._transport is None:
            return
        if self._probed:
            _logger.info("disconnecting a client that does not answer")
            self._transport.abort()
            return
        self._probed = True
        self._session.send(jsonrpc.request("echo", [], "echo"))
        self._arm_probe()


async def _remove_stale_socket(path: Path) -> None:
    """Remove a socket that a dead server left; leave it (so that bind fails) while somebody answers."""
    if not path.is_socket():
        return
    try:
        _reader, writer = await asyncio.open_unix_connection(str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        path.unlink(missing_ok=True)
        return
    writer.close()
    raise OSError(98, os.strerror(98))
