"""The controllers that a bridge is told of: connections that are kept, and sockets where others may come.

A connection that fails is made again after 1, 2, 4... seconds, `max_backoff` at most.  Connections are made here and
served by the native switch; only the bytes of those with TLS are moved here.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Mapping

import structlog
from msgspec import Struct, structs

from tulle._native import NativeError
from tulle.errors import TulleError, Unavailable
from tulle.ovsdb.endpoint import peer_ssl_object
from tulle.ovsdb.remote import Remote
from tulle.ovsdb.tls import HANDSHAKE_S
from tulle.vswitch.channel import Channel
from tulle.vswitch.configuration import ControllerConfig
from tulle.vswitch.controller_sessions import Context, Served
from tulle.vswitch.endpoint import OpenFlowEndpoint
from tulle.vswitch.service_socket import ServiceSocket, dial

FIRST_BACKOFF_S = 1.0
CONNECT_S = 30.0
ROLES = {"other": "other", "primary": "master", "secondary": "slave"}
"""The native names of roles, and those of the schema."""
_logger = structlog.get_logger(__name__)


class Status(Struct, frozen=True):
    """Columns of table Controller that the switch writes."""

    is_connected: bool = False
    role: str | None = None
    status: dict[str, str] = {}


class ActiveController:
    """Keeps one connection; `on_change` is called when it is made and when it ends."""

    def __init__(self, context: Context, config: ControllerConfig, on_change: Callable[[], None]) -> None:
        self.config = config
        self.state = "VOID"
        self.last_error = ""
        self._context = context
        self._on_change = on_change
        self._channel: Channel | None = None
        self._served: Served | None = None
        self._since: dict[str, float] = {}
        self._task = asyncio.get_running_loop().create_task(self._keep_connected())

    @property
    def is_connected(self) -> bool:
        """Whether both sides have greeted each other."""
        if self._served is not None:
            return self._served.is_open
        return self._channel is not None and self._channel.session.open

    def status(self) -> Status:
        """As `ovs-vswitchd.conf.db(5)` describes it."""
        now = time.monotonic()
        pairs = {"state": self.state}
        pairs |= {f"sec_since_{what}": str(int(now - then)) for what, then in self._since.items()}
        if self.last_error:
            pairs["last_error"] = self.last_error
        return Status(self.is_connected, "other", pairs)

    def flush(self) -> None:
        """Send what the session has queued."""
        if self._channel is not None:
            self._channel.flush()

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_connected(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            self.state = "CONNECTING"
            try:
                await self._connect()
                self.last_error = "the peer closed the connection"
            except (OSError, TulleError) as error:
                self.last_error = str(error) or type(error).__name__
            except Exception:
                _logger.exception("controller connection failed", target=self.config.target)
            if self.state == "ACTIVE":
                backoff_s = FIRST_BACKOFF_S
                self._since["disconnect"] = time.monotonic()
            self.state = "BACKOFF"
            self._on_change()
            await asyncio.sleep(min(backoff_s, self.config.max_backoff_s))
            backoff_s = min(backoff_s * 2, self.config.max_backoff_s)

    async def _connect(self) -> None:
        assert self.config.place is not None
        if self.config.place.secure:
            await self._connect_securely()
        else:
            await self._hand_over(self.config.place)

    async def _hand_over(self, place: Remote) -> None:
        """Connect, let the native switch serve the socket, and wait for the end."""
        async with asyncio.timeout(CONNECT_S):
            peer = await dial(self._context.resolved(place))
        with peer:
            session = self._context.serve(peer.fileno(), self.config)
        served = Served(session, asyncio.get_running_loop().create_future())
        self._served = self._context.served[session] = served
        self._connected()
        try:
            raise Unavailable(await served.over)
        finally:
            self._served = None
            if self._context.served.pop(session, None) is not None:
                with contextlib.suppress(NativeError):
                    self._context.switch.close_session(session)

    def _connected(self) -> None:
        self.state = "ACTIVE"
        self._since["connect"] = time.monotonic()

    async def _connect_securely(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await self._dial()
        try:
            session = self._context.open_session(self.config.target)
        except TulleError:
            writer.transport.abort()
            raise
        self._channel = Channel(session, reader, writer, self.config.probe_s)
        self._connected()
        # The greeting is an exchange: whoever asks for `is_connected` looks again soon.
        asyncio.get_running_loop().call_later(0.05, self._on_change)
        try:
            await self._channel.run()
        finally:
            self._channel.abort()
            self._channel = None

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = self.config.place
        assert place is not None
        if self._context.tls is None:
            raise Unavailable("TLS needs a row of table SSL")
        if self._context.tls.needs_bootstrap:
            self._context.tls.learn(await peer_ssl_object(place, self._context.tls.client_context()))
        context = self._context.tls.client_context()
        return await asyncio.open_connection(
            place.host, place.port, ssl=context, server_hostname="", ssl_handshake_timeout=HANDSHAKE_S
        )


class PassiveController:
    """Listens for controllers."""

    def __init__(self, context: Context, config: ControllerConfig) -> None:
        self.config = config
        self._context = context
        self._error = config.error
        self._endpoint: OpenFlowEndpoint | ServiceSocket | None = None

    async def start(self) -> None:
        """Listen, or keep the reason why not for the status."""
        place = self.config.place
        if place is None:
            return
        try:
            self._endpoint = self._secure_endpoint(place) if place.secure else self._native_endpoint(place)
            await self._endpoint.start()
        except (OSError, TulleError) as error:
            self._error = str(error)
            self._endpoint = None

    def _native_endpoint(self, place: Remote) -> ServiceSocket:
        give = functools.partial(self._context.serve, config=self.config)
        return ServiceSocket(self._context.resolved(place), self._context.switch, give)

    def _secure_endpoint(self, place: Remote) -> OpenFlowEndpoint:
        if self._context.tls is None:
            raise Unavailable("TLS needs a row of table SSL")
        return OpenFlowEndpoint(
            place,
            lambda: self._context.open_session(self.config.target),
            probe_s=self.config.probe_s,
            context=self._context.tls.server_context(),
        )

    def ended(self, session: int) -> None:
        """A connection that the native switch serves is over."""
        if isinstance(self._endpoint, ServiceSocket):
            self._endpoint.ended(session)

    def follow(self, sessions: set[int]) -> None:
        """These are all that there are."""
        if isinstance(self._endpoint, ServiceSocket):
            self._endpoint.follow(sessions)

    @property
    def is_connected(self) -> bool:
        """Whether anybody came."""
        return self._endpoint is not None and self._endpoint.connections > 0

    def status(self) -> Status:
        """As `ovs-vswitchd.conf.db(5)` describes it."""
        if self._endpoint is None:
            return Status(False, None, {"state": "VOID", "last_error": self._error})
        count = self._endpoint.connections
        return Status(count > 0, "other", {"state": "ACTIVE" if count else "LISTENING"})

    def flush(self) -> None:
        """Send what the sessions have queued."""
        if isinstance(self._endpoint, OpenFlowEndpoint):
            self._endpoint.flush()

    async def close(self) -> None:
        """Listen no more."""
        if isinstance(self._endpoint, OpenFlowEndpoint):
            await self._endpoint.close()
        elif self._endpoint is not None:
            self._endpoint.close()


class Controllers:
    """All controllers of one bridge, by target."""

    def __init__(self, context: Context, on_change: Callable[[], None]) -> None:
        self.context = context
        context.on_opened = on_change
        self._on_change = on_change
        self._controllers: dict[str, ActiveController | PassiveController] = {}

    async def configure(self, wanted: tuple[ControllerConfig, ...], *, anew: bool = False) -> None:
        """Keep the connections that stay as they are (none if `anew`), end others, make new ones."""
        by_target = {config.target: config for config in wanted}
        for target, controller in list(self._controllers.items()):
            if anew or by_target.get(target) != controller.config:
                del self._controllers[target]
                await controller.close()
        for target, config in by_target.items():
            if target not in self._controllers:
                self._controllers[target] = await self._new(config)

    def ended(self, session: int, reason: str) -> None:
        """A connection that the native switch serves is over."""
        self.context.ended(session, reason)
        for controller in self._controllers.values():
            if isinstance(controller, PassiveController):
                controller.ended(session)

    def follow(self, sessions: Mapping[int, bool]) -> None:
        """These are all that there are, each with whether both sides have greeted each other.

        Beginning and end of one may have gone untold among too many events.
        """
        for session in self.context.served.keys() - sessions.keys():
            self.context.ended(session, "the connection is over")
        for session, is_open in sessions.items():
            if is_open:
                self.context.opened(session)
        for controller in self._controllers.values():
            if isinstance(controller, PassiveController):
                controller.follow(set(sessions))

    async def _new(self, config: ControllerConfig) -> ActiveController | PassiveController:
        if config.is_primary:
            return ActiveController(self.context, config, self._on_change)
        passive = PassiveController(self.context, config)
        await passive.start()
        return passive

    def statuses(self) -> dict[str, Status]:
        """What table Controller is told, by target."""
        roles = {session["name"]: ROLES[session["role"]] for session in self.context.switch.sessions()}
        found = {target: controller.status() for target, controller in self._controllers.items()}
        return {
            target: structs.replace(status, role=roles.get(target, status.role))
            for target, status in found.items()
        }

    @property
    def is_any_connected(self) -> bool:
        """Whether one of those that the bridge connects to is there."""
        return any(one.is_connected for one in self._controllers.values() if one.config.is_primary)

    def flush(self) -> None:
        """Send what the sessions have queued."""
        for controller in self._controllers.values():
            controller.flush()

    async def close(self) -> None:
        """End all connections."""
        await self.configure(())
