"""The OpenFlow sockets of one bridge: each connection is a native session, this file only moves bytes.

A peer that does not read stops being read from; what the switch queues for it is bounded natively.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

READ_BYTES = 65536
MAX_CONNECTIONS = 64
MAX_BUFFER_BYTES = 4 << 20


class Session(Protocol):
    """`_native.SwitchSession`, or what stands in for it."""

    def receive(self, data: bytes) -> None: ...
    def outgoing(self) -> bytes: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...


class OpenFlowEndpoint:
    """Listens on a unix socket (mode 0600) and gives every connection a session."""

    def __init__(self, path: Path, open_session: Callable[[], Session]) -> None:
        self.path = path
        self._open_session = open_session
        self._connections: dict[asyncio.StreamWriter, Session] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen, in place of a socket that a dead process left."""
        self.path.unlink(missing_ok=True)
        self._servers.append(await asyncio.start_unix_server(self._serve, self.path))
        self.path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, end connections and remove the socket."""
        for server in self._servers:
            server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        self.path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Send what the sessions have queued, to the peers that keep up."""
        for writer, session in self._connections.items():
            if writer.transport.get_write_buffer_size() < MAX_BUFFER_BYTES:
                writer.write(session.outgoing())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        session = self._open_session()
        self._connections[writer] = session
        try:
            await _converse(session, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the peer went, or the process ends
        finally:
            del self._connections[writer]
            session.close()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _converse(session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(session.outgoing())
    while not session.closed and (data := await reader.read(READ_BYTES)):
        session.receive(data)
        while out := session.outgoing():
            writer.write(out)
            await writer.drain()
