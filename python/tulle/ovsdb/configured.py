"""The remotes that a server was told of, by its user and by tables (`db:DATABASE,TABLE,COLUMN`), kept in use.

What is desired is compared with the endpoints there are; a remote that cannot be opened is tried again.  Rows that
describe a remote (Manager, Connection) are told what became of it, in `is_connected` and `status`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from tulle.errors import NotFound, TulleError
from tulle.ovsdb import datum
from tulle.ovsdb.database import Database
from tulle.ovsdb.endpoint import Endpoint
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.remote import Remote, RemoteColumn, RemoteOptions, parse_configured, parse_remote
from tulle.ovsdb.server import Server
from tulle.ovsdb.table import Row

STATUS_S = 2.5  # as often as ovsdb-server writes it
_logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Described:
    """The row of a database that asks for a remote."""

    database: str
    table: str
    uuid: UUID


class ConfiguredRemotes:
    """The remotes of one server.  `run` keeps them; `reconcile` does so once."""

    def __init__(self, server: Server, remotes: Iterable[str] = ()) -> None:
        """Raises `InvalidInput` if one of `remotes` is malformed."""
        self.remotes = [str(remote) for remote in remotes if parse_configured(remote)]
        self._server = server
        self._endpoints: dict[str, Endpoint] = {}
        self._rows: dict[str, list[Described]] = {}
        self._problems: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._followed: dict[str, tuple[Database, Callable[[], None]]] = {}
        self._lock = asyncio.Lock()

    async def add(self, remote: str) -> None:
        """Use one more remote; raises `InvalidInput`, or `TulleError` if it cannot be used now."""
        parse_configured(remote)
        if remote not in self.remotes:
            self.remotes.append(remote)
        await self.reconcile()
        if remote in self._problems:
            self.remotes.remove(remote)
            raise TulleError(self._problems.pop(remote))

    async def remove(self, remote: str) -> None:
        """Use a remote no more, and disconnect who came by it; raises `NotFound`."""
        if remote not in self.remotes:
            raise NotFound(f"no remote {remote}; there are {', '.join(self.remotes) or 'none'}")
        self.remotes.remove(remote)
        self._problems.pop(remote, None)
        await self.reconcile()

    def addresses(self) -> list[str]:
        """The remotes in use, with the ports that were chosen."""
        return [endpoint.text for endpoint in self._endpoints.values()]

    def problems(self) -> dict[str, str]:
        """The remotes that cannot be used, and why."""
        return dict(self._problems)

    async def run(self) -> None:
        """Follow the tables and report, for ever."""
        while True:
            await self.reconcile()
            self.report()
            try:
                async with asyncio.timeout(STATUS_S):
                    await self._changed.wait()
                await asyncio.sleep(0)
            except TimeoutError:
                pass
            self._changed.clear()

    async def reconcile(self) -> None:
        """Close what is no longer desired, open what is new."""
        async with self._lock:
            self._follow()
            desired = self._desired()
            for text, endpoint in list(self._endpoints.items()):
                if desired.get(text) != endpoint.options:
                    del self._endpoints[text]
                    self._server.close_endpoint(endpoint)
            for text, options in desired.items():
                if text not in self._endpoints:
                    await self._open(text, options)

    async def _open(self, text: str, options: RemoteOptions) -> None:
        try:
            self._endpoints[text] = await self._server.open(text, options)
            self._problems.pop(text, None)
        except TulleError as error:
            self._note(text, str(error))

    def _note(self, text: str, problem: str) -> None:
        if self._problems.get(text) != problem:
            _logger.warning("remote not in use", remote=text, error=problem)
            self._problems[text] = problem

    def _follow(self) -> None:
        """Be woken by changes of the databases that remotes name."""
        wanted = {place.database for place in self._columns()} & self._server.service.databases.keys()
        databases = {name: self._server.service.databases[name] for name in wanted}
        for name, (database, end) in list(self._followed.items()):
            if databases.get(name) is not database:
                end()
                del self._followed[name]
        for name in wanted - self._followed.keys():
            end = databases[name].subscribe(lambda _changes: self._changed.set())
            self._followed[name] = (databases[name], end)

    def _columns(self) -> Iterator[RemoteColumn]:
        for text in self.remotes:
            place = parse_configured(text)
            if isinstance(place, RemoteColumn):
                yield place

    def _desired(self) -> dict[str, RemoteOptions]:
        found: dict[str, RemoteOptions] = {}
        self._rows = {}
        for text in self.remotes:
            place = parse_configured(text)
            if isinstance(place, Remote):
                found.setdefault(text, RemoteOptions())
                continue
            try:
                self._read(place, found)
                self._problems.pop(text, None)
            except OvsdbError as error:
                self._note(text, str(error))
        return found

    def _read(self, place: RemoteColumn, found: dict[str, RemoteOptions]) -> None:
        """Add the remotes that a column names, as texts or as rows."""
        database = self._server.service.database(place.database)
        table = database.table(place.table)
        kind = table.schema.column(place.column).type
        target = kind.key.ref_table
        for row in table.rows.values():
            for member in sorted(datum.as_set(kind, row[place.column]), key=str):
                if isinstance(member, str):
                    self._want(member, RemoteOptions(), found)
                elif target is not None and (named := database.rows(target).get(member)) is not None:
                    text = str(named.get("target", ""))
                    if self._want(text, row_options(named), found):
                        described = Described(database.name, target, named.uuid)
                        self._rows.setdefault(text, []).append(described)

    def _want(self, text: str, options: RemoteOptions, found: dict[str, RemoteOptions]) -> bool:
        try:
            parse_remote(text)
        except TulleError as error:
            self._note(text, str(error))
            return False
        found.setdefault(text, options)
        return True

    def report(self) -> None:
        """Write `is_connected` and `status` where they changed."""
        operations: dict[str, list[Any]] = {}
        for text, rows in self._rows.items():
            for described in rows:
                if (operation := self._status(text, described)) is not None:
                    operations.setdefault(described.database, []).append(operation)
        for name, changes in operations.items():
            outcome = self._server.service.database(name).execute(changes)
            if outcome.failed:
                _logger.warning("status of remotes not written", database=name, results=outcome.results)

    def _status(self, text: str, described: Described) -> dict[str, Any] | None:
        database = self._server.service.databases.get(described.database)
        row = None if database is None else database.rows(described.table).get(described.uuid)
        if row is None:
            return None
        endpoint = self._endpoints.get(text)
        status = {"last_error": self._problems.get(text, "")} if endpoint is None else endpoint.status()
        values = {"is_connected": bool(endpoint and endpoint.connections), "status": status}
        changed = {name: value for name, value in values.items() if name in row and row[name] != value}
        if "status" in changed:
            changed["status"] = ["map", [[key, value] for key, value in status.items()]]
        if not changed:
            return None
        where = [["_uuid", "==", ["uuid", str(described.uuid)]]]
        return {"op": "update", "table": described.table, "where": where, "row": changed}


def row_options(row: Row) -> RemoteOptions:
    """What a Manager or Connection row says of its remote; its times are in milliseconds."""
    defaults = RemoteOptions()
    probe_ms, backoff_ms = row.get("inactivity_probe"), row.get("max_backoff")
    role = row.get("role")
    return RemoteOptions(
        probe_s=max(probe_ms, 0) / 1000 if isinstance(probe_ms, int) else defaults.probe_s,
        max_backoff_s=max(backoff_ms, 1000) / 1000 if isinstance(backoff_ms, int) else defaults.max_backoff_s,
        role=role if isinstance(role, str) else "",
        read_only=row.get("read_only") is True,
    )
