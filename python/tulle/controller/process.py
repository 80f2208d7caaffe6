"""The controller's process: stores, sockets and signals."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from tulle.errors import InvalidInput, TulleError, Unavailable
from tulle.ovsdb import Database, Server, Storage
from tulle.ovsdb.agent_role import ROLE
from tulle.ovsdb.cluster import Remotes
from tulle.ovsdb.memory import relax_collector
from tulle.ovsdb.remote import RemoteOptions, parse_remote
from tulle.ovsdb.schema import load
from tulle.ovsdb.tls import Credentials, tls_for

from .activity import active, background
from .clustered import Mastery
from .stores import Embedded

_logger = structlog.get_logger(__name__)
TAKEOVER_S = 30.0


class Options(msgspec.Struct, frozen=True):
    """`directory` keeps logs and sockets; `remotes` are served beside `punix:directory/db.sock`.

    `store` names the servers of a cluster, with commas; then the databases are there, and none is served here.
    `credentials` are for TLS, with agents (pssl and ssl remotes) or with the servers of `store`.
    """

    directory: Path
    remotes: tuple[str, ...] = ()
    api: Path | None = None
    store: str | None = None
    credentials: Credentials | None = None

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
    async with serve(options) if options.store is None else serve_cluster(options, options.store):
        await stopped.wait()
    _logger.info("controller stopped")


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[None]:
    """Everything that the controller does with embedded databases, while the context lasts."""
    async with AsyncExitStack() as stack:
        databases = _open(stack, options.directory)
        intent, state = (Embedded(database) for database in databases)
        await _listen(stack, options, databases)
        await stack.enter_async_context(active((intent, state), options.api_socket))
        relax_collector()
        _logger.info("controller ready", directory=str(options.directory), api=str(options.api_socket))
        yield


@asynccontextmanager
async def serve_cluster(options: Options, remotes: str) -> AsyncIterator[None]:
    """The same on a cluster, whenever this controller is the active one; the API is there only then."""
    if options.remotes:
        raise InvalidInput("the databases of a cluster are served by the cluster; leave out --remote")
    _make_directory(options.directory)
    mastery = Mastery(remotes, tls_for(Remotes(remotes).addresses, options.credentials))
    async with (
        mastery.intent.replica,
        mastery.state.replica,
        background(mastery.follow()),
        background(_take_turns(mastery, options.api_socket)),
    ):
        _logger.info("controller stands by", store=remotes)
        yield


async def _take_turns(mastery: Mastery, api: Path) -> None:
    while True:
        await mastery.active()
        _logger.info("controller active")
        try:
            async with active((mastery.intent, mastery.state), api, TAKEOVER_S):
                relax_collector()
                _logger.info("controller ready", api=str(api))
                await mastery.passive()
        except TulleError as error:
            _logger.error("controller cannot be active", error=str(error))
            await asyncio.sleep(1.0)
        except Exception:
            _logger.exception("controller cannot be active")
            await asyncio.sleep(1.0)
        _logger.info("controller stands by")


def _open(stack: AsyncExitStack, directory: Path) -> tuple[Database, Database]:
    _make_directory(directory)
    try:
        names = ("tulle", "tulle_state")
        stores = [stack.enter_context(Storage(directory / f"{name}.db", load(name))) for name in names]
    except OSError as error:
        raise Unavailable(f"cannot use the directory {directory}: {error}") from error
    return stores[0].database, stores[1].database


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"cannot use the directory {directory}: {error}") from error


async def _listen(stack: AsyncExitStack, options: Options, databases: tuple[Database, Database]) -> None:
    tls = tls_for(options.remotes, options.credentials)
    server = await stack.enter_async_context(Server(databases, tls=tls))
    for remote in (f"punix:{options.directory / 'db.sock'}", *options.remotes):
        # Only a certificate says which agent it is, so only who has one can be given a role.
        role = ROLE if parse_remote(remote).secure else ""
        served = await server.listen(remote, RemoteOptions(role=role))
        _logger.info("databases served", remote=served, role=role)
