"""One OpenFlow connection over TLS: moves bytes between a stream and a native session, and probes a silent peer.

Without TLS, the native switch serves the socket itself (`service_socket`, `controllers`).
A peer that does not read stops being read from; what the switch queues for it is bounded natively.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from tulle.errors import ProtocolError, Unavailable

READ_BYTES = 65536
MAX_BUFFER_BYTES = 4 << 20


class Session(Protocol):
    """`_native.SwitchSession`, or what stands in for it."""

    def receive(self, data: bytes) -> None: ...
    def outgoing(self) -> bytes: ...
    def probe(self) -> None: ...
    @property
    def open(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...


class Channel:
    """Owns its session.  `probe_s` 0 asks never."""

    def __init__(
        self,
        session: Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        probe_s: float = 0.0,
    ) -> None:
        self.session = session
        self._reader = reader
        self._writer = writer
        self._probe_s = probe_s

    async def run(self) -> None:
        """Serve until the peer goes; raises OSError, or `TulleError` if it broke the protocol or is silent."""
        try:
            self._send()
            while not self.session.closed and (data := await self._read()):
                self.session.receive(data)
                while self._send():
                    await self._writer.drain()
            if self.session.closed:
                raise ProtocolError("the peer speaks no common OpenFlow version, or broke the protocol")
        finally:
            self.session.close()
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def flush(self) -> None:
        """Send what the session has queued, if the peer keeps up."""
        if self._writer.transport.get_write_buffer_size() < MAX_BUFFER_BYTES:
            self._send()

    def abort(self) -> None:
        """End the connection at once."""
        self._writer.transport.abort()

    def _send(self) -> bool:
        out = self.session.outgoing()
        self._writer.write(out)
        return bool(out)

    async def _read(self) -> bytes:
        if not self._probe_s:
            return await self._reader.read(READ_BYTES)
        for is_last in (False, True):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._probe_s):
                    return await self._reader.read(READ_BYTES)
            if not is_last:
                self.session.probe()
                self._send()
        raise Unavailable(f"no answer to a probe within {self._probe_s:g} s")
