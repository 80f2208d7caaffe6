"""One client's socket at a server: bytes to a `Session` and back, TLS, inactivity, and a client that is too slow.

A client whose answers it does not read gets no further request read, so it can make the server neither wait nor
grow.  What monitors send it is bounded by `max_output_bytes`; beyond that it is disconnected.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from tulle.errors import ProtocolError, TulleError
from tulle.ovsdb import jsonrpc
from tulle.ovsdb.rbac import Identity
from tulle.ovsdb.service import Session
from tulle.ovsdb.tls import HANDSHAKE_S, common_name

if TYPE_CHECKING:
    from tulle.ovsdb.endpoint import Endpoint
    from tulle.ovsdb.server import Server

_logger = structlog.get_logger(__name__)
_HIGH_WATER_BYTES = 1 << 20


class Connection(asyncio.Protocol):
    """One client.  It belongs to the endpoint that it came by."""

    def __init__(self, server: Server, endpoint: Endpoint) -> None:
        self._server = server
        self._endpoint = endpoint
        self._splitter = jsonrpc.Splitter(server.max_message_bytes)
        self._early = b""
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._probed = False
        self._stalled = False
        self._writing_paused = False
        self._securing: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, or we reached it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._server.connections) >= self._server.max_connections:
            _logger.warning("too many clients", limit=self._server.max_connections)
            transport.abort()
            return
        self._server.connections.add(self)
        if self._endpoint.place.secure and self._endpoint.place.listens:
            transport.pause_reading()
            self._securing = asyncio.get_running_loop().create_task(self._secure(transport))
        else:
            self._begin(transport)

    async def _secure(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            context = self._server.tls_required().server_context()
            secured = await loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, TulleError) as error:
            _logger.warning("no TLS with a client", remote=self._endpoint.text, error=str(error))
            transport.abort()
            self.connection_lost(None)
            return
        if secured is not None and not self.ended.is_set():
            self._begin(secured)

    def _begin(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(_HIGH_WATER_BYTES)
        options = self._endpoint.options
        name = common_name(transport.get_extra_info("peercert"))
        identity = Identity(options.role, name, options.read_only)
        self._session = Session(self._server.service, self._mark, identity)
        self._heard = asyncio.get_running_loop().time()
        self._endpoint.joined(self)
        self._arm_probe(options.probe_s)
        early, self._early = self._early, b""
        self.take(early)

    def _mark(self) -> None:
        self._server.schedule_flush(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = asyncio.get_running_loop().time()
        self._probed = False
        if self._session is None:
            self._early += data  # it came with the end of the TLS handshake
        else:
            self._server.receive(self, data)

    def take(self, data: bytes) -> None:
        """Answer the requests that bytes complete, as long as the client reads the answers."""
        try:
            for message in self._splitter.receive(data):
                if self._session is None:
                    return
                self._session.receive(message)
                if self._session is not None and self._session.output_bytes > _HIGH_WATER_BYTES:
                    self._stall()
                    return
        except (ProtocolError, TypeError, RecursionError) as error:
            # TypeError: orjson cannot emit again what a client nested too deep in an id or an echo.
            _logger.warning("disconnecting a client that broke the protocol", error=str(error))
            self._server.flush()
            self.close()

    def _stall(self) -> None:
        """Read nothing more until what is to be sent has left."""
        if not self._stalled and self._transport is not None:
            self._stalled = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        if self._stalled and not self._writing_paused and self._session is not None:
            assert self._transport is not None
            self._stalled = False
            self._transport.resume_reading()
            self.take(b"")

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self._writing_paused = True
        self._stall()

    def resume_writing(self) -> None:
        """The peer has read."""
        self._writing_paused = False
        self._heard = asyncio.get_running_loop().time()
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """The client went."""
        if self._probe is not None:
            self._probe.cancel()
        self._server.forget(self)
        self._endpoint.left(self, str(error) if error else "")
        if self._session is not None:
            self._session.close()
            self._session = None
        self.ended.set()

    def flush(self) -> None:
        """Send what has gathered, or disconnect a client that has not read for too long."""
        if self._session is None or self._transport is None:
            return
        output = self._session.take_output()
        if output:
            self._transport.write(b"".join(output))
            waiting = self._transport.get_write_buffer_size()
            if waiting > self._server.max_output_bytes:
                _logger.warning("disconnecting a client that does not read", waiting_bytes=waiting)
                self.abort("did not read")
                return
        if self._session.ended:
            self.close()
            return
        if self._stalled and not self._writing_paused:
            asyncio.get_running_loop().call_soon(self._go_on)

    def close(self) -> None:
        """Disconnect after sending what was written."""
        if self._securing is not None and self._session is None:
            self._securing.cancel()
        if self._transport is not None:
            self._transport.close()
        self.connection_lost(None)

    def abort(self, why: str) -> None:
        """Disconnect at once."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(OSError(why))

    @property
    def monitors(self) -> int:
        """How many monitors the client has."""
        return 0 if self._session is None else len(self._session.subscriptions)

    @property
    def waiting_bytes(self) -> int:
        """How much is to be sent yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _arm_probe(self, delay_s: float) -> None:
        if self._endpoint.options.probe_s > 0:
            self._probe = asyncio.get_running_loop().call_later(delay_s, self._probe_peer)

    def _probe_peer(self) -> None:
        """Ask an idle client for a sign of life; disconnect if the last question went unanswered."""
        if self._session is None:
            return
        probe_s = self._endpoint.options.probe_s
        idle_s = asyncio.get_running_loop().time() - self._heard
        if idle_s < probe_s and not self._probed:
            self._arm_probe(probe_s - idle_s)
        elif self._probed:
            _logger.info("disconnecting a client that does not answer", remote=self._endpoint.text)
            self.abort("no answer to an inactivity probe")
        else:
            self._probed = True
            self._session.send(jsonrpc.request("echo", [], "echo"))
            self._arm_probe(probe_s)
