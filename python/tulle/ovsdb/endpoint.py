"""One remote of a server while it is in use: a `Listener` at a passive one, a `Dialer` to an active one."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tulle.errors import TulleError, Unavailable
from tulle.ovsdb.connection import Connection
from tulle.ovsdb.remote import Remote, RemoteOptions
from tulle.ovsdb.tls import HANDSHAKE_S

if TYPE_CHECKING:
    from tulle.ovsdb.server import Server

_logger = structlog.get_logger(__name__)
_BACKLOG = 128
_CONNECT_S = 30.0


class Endpoint(ABC):
    """What both kinds share: the connections there are, and what a status column says of them."""

    def __init__(self, server: Server, place: Remote, options: RemoteOptions) -> None:
        self.server = server
        self.place = place
        self.options = options
        self.text = str(place)
        self.connections: set[Connection] = set()
        self.last_error = ""
        self._connected_at: float | None = None
        self._disconnected_at: float | None = None

    @abstractmethod
    async def start(self) -> None:
        """Begin to listen or connect; raises `Unavailable`."""

    def close(self) -> None:
        """Stop, and disconnect everybody who came by this remote."""
        for connection in list(self.connections):
            connection.close()

    def joined(self, connection: Connection) -> None:
        """A connection can be used."""
        self.connections.add(connection)
        self._connected_at = self.server.service.now()

    def left(self, connection: Connection, error: str) -> None:
        """A connection ended."""
        if connection in self.connections:
            self.connections.discard(connection)
            self._disconnected_at = self.server.service.now()
        if error:
            self.last_error = error

    def status(self) -> dict[str, str]:
        """Pairs of the `status` column of a Manager or Connection row (ovs-vswitchd.conf.db(5))."""
        now = self.server.service.now()
        pairs = {"state": self._state()}
        if self._connected_at is not None:
            pairs["sec_since_connect"] = str(int(now - self._connected_at))
        if self._disconnected_at is not None:
            pairs["sec_since_disconnect"] = str(int(now - self._disconnected_at))
        if self.last_error:
            pairs["last_error"] = self.last_error
        if len(self.connections) > 1:
            pairs["n_connections"] = str(len(self.connections))
        return pairs

    def _state(self) -> str:
        return "ACTIVE" if self.connections else "BACKOFF"


class Listener(Endpoint):
    """Accepts connections at a punix, ptcp or pssl remote."""

    def __init__(self, server: Server, place: Remote, options: RemoteOptions) -> None:
        super().__init__(server, place, options)
        self._listener: asyncio.AbstractServer | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen; raises `Unavailable`.  A port 0 is replaced by the one chosen, in `text`."""
        loop = asyncio.get_running_loop()
        if self.place.secure:
            self.server.tls_required()
        try:
            bound = await _bind(self.place)
        except OSError as error:
            raise Unavailable(f"cannot listen at {self.place}: {error}") from error
        if self.place.path:
            self._inode = Path(self.place.path).stat().st_ino
            self._listener = await loop.create_unix_server(self._connection, sock=bound, backlog=_BACKLOG)
        else:
            self._listener = await loop.create_server(self._connection, sock=bound, backlog=_BACKLOG)
            chosen = Remote(True, "", self.place.host, bound.getsockname()[1], self.place.secure)
            self.text = str(chosen)

    def close(self) -> None:
        """Stop listening, disconnect everybody and remove the socket."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        super().close()
        path = Path(self.place.path)
        if self.place.path and self._inode and path.exists() and path.stat().st_ino == self._inode:
            path.unlink()

    def status(self) -> dict[str, str]:
        """As `Endpoint.status`, with the port."""
        pairs = super().status()
        if not self.place.path:
            pairs["bound_port"] = self.text.split(":")[1]
        return pairs

    def _connection(self) -> Connection:
        return Connection(self.server, self)


class Dialer(Endpoint):
    """Keeps a connection to a unix, tcp or ssl remote, trying again with growing delay."""

    def __init__(self, server: Server, place: Remote, options: RemoteOptions) -> None:
        super().__init__(server, place, options)
        self._task: asyncio.Task[None] | None = None
        self._connecting = False

    async def start(self) -> None:
        """Connect in the background."""
        if self.place.secure:
            self.server.tls_required()
        self._task = asyncio.get_running_loop().create_task(self._keep_connected())

    def close(self) -> None:
        """Disconnect and do not try again."""
        if self._task is not None:
            self._task.cancel()
        super().close()

    async def _keep_connected(self) -> None:
        backoff_s = 0.5
        while True:
            backoff_s = max(0.1, min(2 * backoff_s, self.options.max_backoff_s))
            try:
                connection = await self._connect()
                if connection is not None:
                    backoff_s = 0.5
                    await connection.ended.wait()
            except (OSError, TimeoutError, TulleError) as error:
                self.last_error = str(error) or type(error).__name__
                _logger.debug("not connected", remote=self.text, error=self.last_error)
            await asyncio.sleep(backoff_s)

    async def _connect(self) -> Connection | None:
        self._connecting = True
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await self._dial()
        finally:
            self._connecting = False

    async def _dial(self) -> Connection | None:
        loop = asyncio.get_running_loop()
        place = self.place
        if place.path:
            return (await loop.create_unix_connection(self._connection, place.path))[1]
        if not place.secure:
            return (await loop.create_connection(self._connection, place.host, place.port))[1]
        tls = self.server.tls_required()
        if tls.needs_bootstrap:
            tls.learn(await peer_ssl_object(place, tls.client_context()))
        _, made = await loop.create_connection(
            self._connection,
            place.host,
            place.port,
            ssl=tls.client_context(),
            server_hostname="",
            ssl_handshake_timeout=HANDSHAKE_S,
        )
        return made

    def _connection(self) -> Connection:
        return Connection(self.server, self)

    def _state(self) -> str:
        return "CONNECTING" if self._connecting and not self.connections else super()._state()


async def peer_ssl_object(place: Remote, context: ssl.SSLContext) -> object:
    """The ssl object of a connection that is made only to see the peer's certificates."""
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, place.host, place.port, ssl=context, server_hostname=""
    )
    transport.abort()
    return transport.get_extra_info("ssl_object")


async def _bind(place: Remote) -> socket.socket:
    if place.path:
        return await _bind_unix(Path(place.path))
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        place.host or "0.0.0.0", place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


async def _bind_unix(path: Path) -> socket.socket:
    await _remove_stale_socket(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        bound.bind(str(path))
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(mask)
    return bound


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
