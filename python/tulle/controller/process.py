"""The controller's process: databases, sockets and signals."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from errno import EADDRINUSE
from os import strerror
from pathlib import Path
from uuid import uuid4

import msgspec
import structlog
from aiohttp import web

from tulle import store
from tulle.errors import TulleError, Unavailable
from tulle.ovsdb import Database, Server, Storage
from tulle.ovsdb.schema import load

from .heartbeat import Heartbeats
from .http import Api
from .intent import Intent
from .listing import Listing
from .reaction import Reaction
from .tracing import Tracer

_logger = structlog.get_logger(__name__)


class Options(msgspec.Struct, frozen=True):
    """`directory` keeps logs and sockets; `remotes` are served beside `punix:directory/db.sock`."""

    directory: Path
    remotes: tuple[str, ...] = ()
    api: Path | None = None

    @property
    def api_socket(self) -> Path:
        """Where the API listens."""
        return self.api or self.directory / "api.sock"


def main(options: Options) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        asyncio.run(run(options))
    except TulleError as error:
        print(f"error[{error.code}]: {error}", file=sys.stderr)
        return 1
    return 0


async def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; raises TulleError when it cannot start."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serve(options):
        await stopped.wait()
    _logger.info("controller stopped")


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[tuple[Database, Database]]:
    """Everything that the controller does, while the context lasts; gives both databases."""
    async with AsyncExitStack() as stack:
        intent, state = _open(stack, options.directory)
        reaction = Reaction(intent, state)
        reaction.start()
        stack.callback(reaction.stop)
        await _listen(stack, options, (intent, state))
        await _serve_api(stack, options.api_socket, (intent, state))
        _logger.info("controller ready", directory=str(options.directory), api=str(options.api_socket))
        yield intent, state


def _open(stack: AsyncExitStack, directory: Path) -> tuple[Database, Database]:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = ("tulle", "tulle_state")
        stores = [stack.enter_context(Storage(directory / f"{name}.db", load(name))) for name in names]
    except OSError as error:
        raise Unavailable(f"cannot use the directory {directory}: {error}") from error
    return stores[0].database, stores[1].database


async def _listen(stack: AsyncExitStack, options: Options, databases: tuple[Database, Database]) -> None:
    server = await stack.enter_async_context(Server(databases))
    for remote in (f"punix:{options.directory / 'db.sock'}", *options.remotes):
        _logger.info("databases served", remote=await server.listen(remote))


async def _serve_api(stack: AsyncExitStack, path: Path, databases: tuple[Database, Database]) -> None:
    runner = web.AppRunner(_api(stack, databases).application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.SockSite(runner, _bound_socket(path)).start()
    except OSError as error:
        raise Unavailable(f"cannot listen at {path}: {error}") from error
    stack.callback(path.unlink, missing_ok=True)


def _bound_socket(path: Path) -> socket.socket:
    """A socket that only this user may use; one that a dead controller left is removed."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise OSError(EADDRINUSE, strerror(EADDRINUSE))
        path.unlink()
    made = socket.socket(socket.AF_UNIX)
    try:
        made.bind(str(path))
        path.chmod(0o600)
    except OSError:
        made.close()
        raise
    return made


def _api(stack: AsyncExitStack, databases: tuple[Database, Database]) -> Api:
    intent, state = databases
    heartbeats = Heartbeats(state, time.monotonic)
    stack.callback(heartbeats.stop)
    listing = Listing(store.source(intent), store.source(state), heartbeats.connected)
    tracer = Tracer(state, lambda: str(uuid4()), _emit_frame)
    return Api(databases, Intent(intent, state, _now), listing, tracer)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _emit_frame(match: str) -> bytes:
    from tulle import _native  # built apart; only a trace needs it

    return _native.emit_frame(match)
