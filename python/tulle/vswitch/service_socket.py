"""The socket BRIDGE.mgmt for `ovs-ofctl` and the agent: who connects is served by the native switch itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import structlog

from tulle._native import NativeError, Switch
from tulle.vswitch.configuration import wire_versions

MAX_CONNECTIONS = 64
BACKLOG = 128
_logger = structlog.get_logger(__name__)


class ServiceSocket:
    """Listens on a unix socket (mode 0600) and gives each connection away; Python sees no byte of it."""

    def __init__(self, path: Path, switch: Switch) -> None:
        self._path = path
        self._switch = switch
        self.protocols: tuple[str, ...] = ()
        self._sessions: set[int] = set()
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen, in place of a socket that a dead process left; raises OSError."""
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket.listen(BACKLOG)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def ended(self, session: int) -> None:
        """A session is over."""
        self._sessions.discard(session)

    def close(self) -> None:
        """Stop listening, end connections and remove the socket."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        for session in self._sessions:
            with contextlib.suppress(NativeError):
                self._switch.close_session(session)
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        if self._socket is None:
            return
        try:
            peer, _ = self._socket.accept()
        except OSError:
            return
        if len(self._sessions) >= MAX_CONNECTIONS:
            peer.close()
            return
        versions = wire_versions(self.protocols)
        with peer:
            try:
                self._sessions.add(self._switch.serve(peer.fileno(), self._path.name, versions=versions))
            except NativeError as error:
                _logger.warning("OpenFlow connection refused", error=str(error))
