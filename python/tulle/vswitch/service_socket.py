"""A listening socket whose connections are served by the native switch itself; Python sees no byte of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import structlog

from tulle._native import NativeError, Switch
from tulle.errors import TulleError
from tulle.ovsdb.remote import Remote

MAX_CONNECTIONS = 64
BACKLOG = 128
Give = Callable[[int], int | None]
_logger = structlog.get_logger(__name__)


class ServiceSocket:
    """Listens on a unix socket (mode 0600) or a TCP port.

    `give` hands a descriptor to the switch and returns the session's number, or None if it needs no care.
    """

    def __init__(self, place: Path | Remote, switch: Switch, give: Give) -> None:
        self._place = Remote(True, path=str(place)) if isinstance(place, Path) else place
        self._switch = switch
        self._give = give
        self._sessions: set[int] = set()
        self._sockets: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """How many peers there are."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen, in place of a socket that a dead process left; raises OSError."""
        loop = asyncio.get_running_loop()
        if self._place.path:
            self._sockets.append(_unix_listener(Path(self._place.path)))
        else:
            where = self._place.host or "0.0.0.0", self._place.port
            found = await loop.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in {family: address for family, _, _, _, address in reversed(found)}.items():
                self._sockets.append(_tcp_listener(family, address))
        for listener in self._sockets:
            loop.add_reader(listener, self._accept, listener)

    def ended(self, session: int) -> None:
        """A session is over."""
        self._sessions.discard(session)

    def follow(self, sessions: set[int]) -> None:
        """These are all that there are."""
        self._sessions &= sessions

    def close(self) -> None:
        """Stop listening, end connections and remove the socket."""
        for listener in self._sockets:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        for session in self._sessions:
            with contextlib.suppress(NativeError):
                self._switch.close_session(session)
        if self._sockets and self._place.path:
            Path(self._place.path).unlink(missing_ok=True)
        self._sockets.clear()
        self._sessions.clear()

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        if len(self._sessions) >= MAX_CONNECTIONS:
            peer.close()
            return
        with peer:
            hurry(peer)
            try:
                session = self._give(peer.fileno())
            except (NativeError, TulleError) as error:
                _logger.warning("connection refused", place=str(self._place), error=str(error))
                return
        if session is not None:
            self._sessions.add(session)


def hurry(peer: socket.socket) -> None:
    """Let TCP send short messages at once."""
    if peer.family != socket.AF_UNIX:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def dial(place: Remote) -> socket.socket:
    """A connected stream socket; raises OSError, of the last address that was tried."""
    loop = asyncio.get_running_loop()
    if place.path:
        return await _connected(socket.AF_UNIX, place.path)
    problem: OSError | None = None
    for family, _, _, _, address in await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM):
        try:
            peer = await _connected(family, address)
        except OSError as error:
            problem = error
        else:
            hurry(peer)
            return peer
    raise problem or OSError(f"no address for {place.host}")


async def _connected(family: int, address: object) -> socket.socket:
    peer = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(peer, address)  # type: ignore[arg-type]
    except BaseException:
        peer.close()
        raise
    return peer


def _unix_listener(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    return listener


def _tcp_listener(family: int, address: object) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
