"""`tulle ovsdb-server`: databases in files, served as its command line and its control socket say.

Options are in `command_options`, the control commands in `command_control`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog

from tulle.errors import NotFound, TulleError
from tulle.ovsdb import command_control, schema
from tulle.ovsdb.command_daemon import PidFile, detach
from tulle.ovsdb.command_log import ProcessLog
from tulle.ovsdb.command_options import parse_options
from tulle.ovsdb.configured import ConfiguredRemotes
from tulle.ovsdb.memory import relax_collector
from tulle.ovsdb.remote import RemoteColumn, parse_configured
from tulle.ovsdb.schema import DatabaseSchema
from tulle.ovsdb.server import Server
from tulle.ovsdb.storage import Storage
from tulle.ovsdb.tls import Credentials, Tls
from tulle.ovsdb.unixctl import ControlServer

_logger = structlog.get_logger(__name__)


class ServerProcess:
    """A server with its files and remotes, between start and stop."""

    def __init__(self, options: argparse.Namespace, log: ProcessLog) -> None:
        self.options = options
        self.log = log
        self.stopped = asyncio.Event()
        self.storages: dict[str, Storage] = {}
        self.server = Server([], tls=Tls(self._credentials) if options.private_key else None)
        self.remotes = ConfiguredRemotes(self.server, map(self.absolute, options.remote))

    def absolute(self, remote: str) -> str:
        """A remote whose path holds also after a change of directory."""
        kind, _, rest = remote.partition(":")
        return f"{kind}:{Path(rest).absolute()}" if kind in ("unix", "punix") and rest else remote

    def open(self) -> None:
        """Open the databases; raises `TulleError`."""
        for path in self.options.databases:
            self.add_file(path)
        for path, name in zip(self.options.db, self.options.schema, strict=True):
            self.add_file(path, _schema(name))

    def add_file(self, path: Path, wanted: DatabaseSchema | None = None) -> None:
        """Serve the database in a file; raises `TulleError`."""
        if wanted is None and not path.exists():
            raise NotFound("there is no such database file", where=str(path))
        storage = Storage(path, wanted)
        try:
            self.server.add_database(storage.database)
        except TulleError:
            storage.close()
            raise
        self.storages[storage.database.name] = storage

    def remove(self, name: str) -> None:
        """Serve a database no more; raises `NotFound`."""
        storage = self.storage(name)
        self.server.remove_database(name)
        del self.storages[name]
        storage.close()

    def storage(self, name: str) -> Storage:
        """The file of a database; raises `NotFound`."""
        if name not in self.storages:
            raise NotFound(f"no database {name}; there are {', '.join(self.storages) or 'none'}")
        return self.storages[name]

    async def close(self) -> None:
        """Stop serving, then close the files."""
        await self.server.close()
        for storage in self.storages.values():
            storage.close()

    async def listen(self) -> None:
        """Open the remotes; raises `TulleError` for one, or a key, that the user gave and that cannot be used."""
        if self.server.tls is not None and not self.options.private_key.startswith("db:"):
            self.server.tls.client_context()
        await self.remotes.reconcile()
        for remote, problem in self.remotes.problems().items():
            if remote in self.remotes.remotes:
                raise TulleError(problem, where=remote)
        for address in self.remotes.addresses():
            print("listening at", address, flush=True)

    def _credentials(self) -> Credentials:
        given = self.options
        authority = given.bootstrap_ca_cert or given.ca_cert
        return Credentials(
            self._file(given.private_key) or "",
            self._file(given.certificate) or "",
            None if authority == "none" else self._file(authority),
            bootstrap=bool(given.bootstrap_ca_cert),
            peer_ca_cert=given.peer_ca_cert,
        )

    def _file(self, option: str | None) -> str | None:
        """A file name as given, or as found in the first row of db:DATABASE,TABLE,COLUMN."""
        if not option or not option.startswith("db:"):
            return option or None
        place = parse_configured(option)
        assert isinstance(place, RemoteColumn)
        rows = self.server.service.database(place.database).rows(place.table).values()
        return next((str(row[place.column]) for row in rows if row.get(place.column)), None)


def _schema(name: str) -> DatabaseSchema:
    return schema.read(Path(name)) if "/" in name or name.endswith(".ovsschema") else schema.load(name)


async def serve(
    options: argparse.Namespace, log: ProcessLog, ready: Callable[[], None] = lambda: None
) -> int:
    """Serve until SIGTERM, SIGINT or the command `exit`; `ready` is called when clients can come.

    The exit status; raises `TulleError` if it cannot start.
    """
    async with AsyncExitStack() as stack:
        process = ServerProcess(options, log)
        stack.push_async_callback(process.close)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.stopped.set)
        loop.add_signal_handler(signal.SIGHUP, log.reopen)
        if options.pidfile is not None:
            stack.callback(PidFile(options.pidfile).remove)
        process.open()
        await process.listen()
        if options.unixctl is not None:
            control = ControlServer(Path(str(options.unixctl).replace("{pid}", str(os.getpid()))))
            command_control.register(control, process)
            await control.start()
            stack.push_async_callback(control.close)
        ready()
        return await _until_stopped(process)


async def _until_stopped(process: ServerProcess) -> int:
    following = asyncio.create_task(process.remotes.run())
    stopping = asyncio.create_task(process.stopped.wait())
    tasks: set[asyncio.Task[object]] = {following, stopping}
    command = None
    if process.options.run:
        command = await asyncio.create_subprocess_shell(process.options.run)
        tasks.add(asyncio.create_task(command.wait()))
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if following in done:
        following.result()  # it never returns, so this raises
    if command is None or command.returncode is None:
        return 0
    return command.returncode


def main(words: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = parse_options(sys.argv[1:] if words is None else words)
    if options.version:
        print(command_control.release())
        return 0
    try:
        return _run(options)
    except TulleError as error:
        print(f"ovsdb-server: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    log = ProcessLog("ovsdb-server", options.log_file)
    for spec in options.verbose:
        log.set_level(spec)
    leave = detach() if options.detach else None
    log.install()
    if options.ignored:
        _logger.info("options without effect", options=options.ignored)

    def ready() -> None:
        relax_collector()
        if leave is not None:
            if not options.no_chdir:
                os.chdir("/")
            leave()

    with suppress(KeyboardInterrupt):
        return asyncio.run(serve(options, log, ready))
    return 130
