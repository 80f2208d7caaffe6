"""Where controllers come to a bridge by TLS: a listening socket that gives each connection a native session."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

from tulle.errors import TulleError
from tulle.ovsdb.remote import Remote
from tulle.vswitch.channel import Channel, Session

MAX_CONNECTIONS = 64
_logger = structlog.get_logger(__name__)


class OpenFlowEndpoint:
    """Listens on a unix socket (mode 0600) or a TCP port."""

    def __init__(
        self,
        place: Path | Remote,
        open_session: Callable[[], Session],
        *,
        probe_s: float = 0.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`context` is for TLS."""
        self.place = Remote(True, path=str(place)) if isinstance(place, Path) else place
        self.last_error = ""
        self._open_session = open_session
        self._probe_s = probe_s
        self._context = context
        self._channels: set[Channel] = set()
        self._servers: list[asyncio.Server] = []

    @property
    def connections(self) -> int:
        """How many peers there are."""
        return len(self._channels)

    @property
    def port(self) -> int:
        """The TCP port, chosen for port 0."""
        return int(self._servers[0].sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen, in place of a socket that a dead process left; raises OSError."""
        if not self.place.path:
            host, port = self.place.host, self.place.port
            self._servers.append(await asyncio.start_server(self._serve, host, port, ssl=self._context))
            return
        path = Path(self.place.path)
        path.unlink(missing_ok=True)
        self._servers.append(await asyncio.start_unix_server(self._serve, path))
        path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, end connections and remove the socket."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for channel in list(self._channels):
            channel.abort()
        if self.place.path:
            Path(self.place.path).unlink(missing_ok=True)

    def flush(self) -> None:
        """Send what the sessions have queued, to the peers that keep up."""
        for channel in list(self._channels):
            channel.flush()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._channels) >= MAX_CONNECTIONS:
            writer.close()
            return
        channel = Channel(self._open_session(), reader, writer, self._probe_s)
        self._channels.add(channel)
        try:
            await channel.run()
        except (OSError, TulleError) as error:
            self.last_error = str(error)
            _logger.debug("OpenFlow connection ended", place=str(self.place), error=str(error))
        except asyncio.CancelledError:
            pass  # the process ends
        finally:
            self._channels.discard(channel)
