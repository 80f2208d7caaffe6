"""The socket BRIDGE.snoop: whoever connects gets a copy of the messages to and from the bridge's controllers.

As Open vSwitch has it for `ovs-ofctl snoop`: a hello of the controllers' version first, then whole messages.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tulle.vswitch.channel import MAX_BUFFER_BYTES, READ_BYTES, Observer

HEADER_BYTES = 8
HELLO = 0
DEFAULT_VERSION = 4
MAX_OBSERVERS = 16


class MessageCutter:
    """Cuts one direction of a connection into whole messages; what is malformed ends it."""

    def __init__(self) -> None:
        self._rest = b""
        self._broken = False

    def receive(self, data: bytes) -> bytes:
        """The whole messages, together, that these bytes complete."""
        if self._broken:
            return b""
        rest = self._rest + data
        end = 0
        while len(rest) - end >= HEADER_BYTES:
            length = int.from_bytes(rest[end + 2 : end + 4], "big")
            if length < HEADER_BYTES:
                self._broken = True
                return rest[:end]
            if end + length > len(rest):
                break
            end += length
        self._rest = rest[end:]
        return rest[:end]


class Snoop:
    """Listens on a unix socket (mode 0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._version = DEFAULT_VERSION

    async def start(self) -> None:
        """Listen, in place of a socket that a dead process left; raises OSError."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, end connections and remove the socket."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._path.unlink(missing_ok=True)

    def observers(self) -> tuple[Observer, Observer]:
        """For one controller's connection: what takes its bytes, and what takes the switch's."""
        incoming, outgoing = MessageCutter(), MessageCutter()
        return lambda data: self._copy(incoming.receive(data)), lambda data: self._copy(
            outgoing.receive(data)
        )

    def _copy(self, messages: bytes) -> None:
        if messages and messages[1] != HELLO:
            self._version = messages[0]
        for writer in self._writers:
            if writer.transport.get_write_buffer_size() < MAX_BUFFER_BYTES:
                writer.write(messages)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAX_OBSERVERS:
            writer.close()
            return
        # A bitmap with one version in it (OpenFlow 1.3.5 section 7.5.1): others could not read the copies.
        bitmap = b"\0\1\0\x08" + (1 << self._version).to_bytes(4, "big")
        writer.write(bytes([self._version, HELLO, 0, HEADER_BYTES + len(bitmap), 0, 0, 0, 0]) + bitmap)
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while await reader.read(READ_BYTES):
                pass
        self._writers.discard(writer)
        writer.close()
