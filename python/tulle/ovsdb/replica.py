"""A copy of a database, or of some tables, that follows the server and survives reconnects.

Readers see whole commits only.  The wire's updates are parsed here and nowhere else.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Self
from uuid import UUID

import structlog

from tulle.errors import ProtocolError, TulleError, Unavailable
from tulle.ovsdb import datum
from tulle.ovsdb.builder import Transaction
from tulle.ovsdb.client import Client
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.events import RowEvent, row_event
from tulle.ovsdb.schema import DatabaseSchema, TableSchema
from tulle.ovsdb.table import Change, Row

_logger = structlog.get_logger(__name__)
Tables = Iterable[str] | Mapping[str, Iterable[str] | None]
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.1, 4.0


class ReplicaTable:
    """The rows of one table as last heard, by uuid."""

    def __init__(self, schema: TableSchema, columns: Iterable[str]) -> None:
        self.schema = schema
        self.columns = {name: schema.column(name) for name in columns}
        self.rows: dict[UUID, Row] = {}

    def find(self, **values: Any) -> Row | None:
        """The first row whose columns have these values, or None."""
        for row in self.rows.values():
            if all(row[name] == value for name, value in values.items()):
                return row
        return None


class Replica:
    """Follows `database` at `remote`: all tables, or those named, or of each named table some columns.

    async with Replica("unix:/run/db.sock", "Tulle") as replica:
        await replica.wait_until(lambda: replica.table("Node").rows)
    """

    def __init__(self, remote: str, database: str, tables: Tables | None = None) -> None:
        self.remote = remote
        self.database = database
        self._wanted = tables
        self._tables: dict[str, ReplicaTable] = {}
        self._schema: DatabaseSchema | None = None
        self._client: Client | None = None
        self._early: list[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._subscribers: list[Callable[[list[RowEvent]], None]] = []
        self._wakeup: asyncio.Event = asyncio.Event()
        self.failure: TulleError | None = None
        self.generation = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Begin to follow; returns at once, see `connected`."""
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @property
    def connected(self) -> bool:
        """Whether the rows follow the server now; while not, they are as last heard."""
        return self._client is not None

    @property
    def schema(self) -> DatabaseSchema:
        """The database's schema; raises `Unavailable` before the first connection."""
        if self._schema is None:
            raise Unavailable(f"not yet connected to {self.remote}")
        return self._schema

    def table(self, name: str) -> ReplicaTable:
        """A followed table; raises `Unavailable` before the first connection, else "unknown table"."""
        if self._schema is None:
            raise Unavailable(f"not yet connected to {self.remote}")
        if name not in self._tables:
            raise OvsdbError("unknown table", f"table {name} is not followed")
        return self._tables[name]

    def transaction(self) -> Transaction:
        """A new, empty transaction builder."""
        return Transaction(self.schema)

    async def transact(self, operations: Iterable[Any] | Transaction) -> list[Any]:
        """Execute on the server; its changes are in the replica when this returns.

        Raises `OvsdbError` or, when not connected, `Unavailable`.
        """
        if self._client is None:
            raise Unavailable(f"not connected to {self.remote}")
        if isinstance(operations, Transaction):
            operations = operations.operations
        return await self._client.transact(self.database, operations)

    async def wait_until(self, predicate: Callable[[], Any], timeout_s: float | None = None) -> Any:
        """Wait until `predicate()` is true, asked whenever rows or the connection change; gives its value.

        It is not asked before the first connection.  Raises TimeoutError.
        """

        async def wait() -> Any:
            while self._schema is None or not (value := predicate()):
                await self._wakeup.wait()
            return value

        return await asyncio.wait_for(wait(), timeout_s)

    def subscribe(self, subscriber: Callable[[list[RowEvent]], None]) -> Callable[[], None]:
        """Call `subscriber` with the events of each commit; the returned function ends that.

        After a reconnect the events say what differs from the last known rows.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    async def changes(self) -> AsyncIterator[list[RowEvent]]:
        """The events of each commit from now on."""
        queue: asyncio.Queue[list[RowEvent]] = asyncio.Queue()
        end = self.subscribe(queue.put_nowait)
        try:
            while True:
                yield await queue.get()
        finally:
            end()

    async def _follow(self) -> None:
        backoff_s = BACKOFF_MIN_S
        while True:
            try:
                client = await Client.connect(self.remote, self._notified)
                async with client:
                    await self._subscribe_to(client)
                    backoff_s = BACKOFF_MIN_S
                    await client.closed.wait()
            except TulleError as error:
                self.failure = error
                _logger.info("not following the database", remote=self.remote, error=str(error))
            except Exception as error:
                # What a server sent did not have the form that the RFC asks for.
                self.failure = ProtocolError(f"bad update from {self.remote}: {error!r}")
                _logger.warning("not following the database", remote=self.remote, error=repr(error))
            finally:
                self._client = None
                self._wake()
            await asyncio.sleep(backoff_s * random.uniform(0.7, 1.0))
            backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)

    async def _subscribe_to(self, client: Client) -> None:
        schema = await client.schema(self.database)
        tables = {
            name: ReplicaTable(schema.table(name), names) for name, names in self._chosen(schema).items()
        }
        requests = {name: {"columns": list(table.columns)} for name, table in tables.items()}
        self._early = []
        initial = await client.request("monitor", self.database, self.database, requests)
        fresh = _parse_updates(tables, initial)
        known, self._tables, self._schema = self._tables, tables, schema
        for name, table in tables.items():
            if name in known:
                table.rows = known[name].rows
        self._apply(_differences(tables, fresh))
        early, self._early = self._early, None
        for updates in early:
            self._apply(_changes(self._tables, updates))
        self._client, self.failure = client, None
        self._wake()

    def _chosen(self, schema: DatabaseSchema) -> dict[str, list[str]]:
        wanted = self._wanted if self._wanted is not None else schema.tables
        if not isinstance(wanted, Mapping) or wanted is schema.tables:
            wanted = dict.fromkeys(wanted)
        return {
            name: list(columns) if columns is not None else [*schema.table(name).columns, "_version"]
            for name, columns in wanted.items()
        }

    def _notified(self, method: str, params: list[Any]) -> None:
        if method != "update" or len(params) != 2 or params[0] != self.database:
            return
        if self._early is not None:
            self._early.append(params[1])
        else:
            self._apply(_changes(self._tables, params[1]))

    def _apply(self, changes: list[Change]) -> None:
        for change in changes:
            rows = self._tables[change.table].rows
            if change.new is None:
                rows.pop(change.uuid, None)
            else:
                rows[change.uuid] = change.new
        if not changes:
            return
        events = [row_event(change) for change in changes]
        for subscriber in list(self._subscribers):
            subscriber(events)
        self._wake()

    def _wake(self) -> None:
        self.generation += 1
        self._wakeup.set()
        self._wakeup = asyncio.Event()


def _parse_updates(tables: dict[str, ReplicaTable], json: Any) -> dict[str, dict[UUID, Row | None]]:
    """<table-updates> as the new values of rows, None for those deleted; raises `ProtocolError`."""
    out: dict[str, dict[UUID, Row | None]] = {}
    try:
        for name, rows in json.items():
            table = tables[name]
            parsed = out.setdefault(name, {})
            for text, update in rows.items():
                uuid = datum.parse_uuid_text(text)
                new = update.get("new")
                parsed[uuid] = None if new is None else _parse_row(table, uuid, new)
    except (AttributeError, KeyError, TypeError, OvsdbError) as error:
        raise ProtocolError(f"malformed table updates: {error!r}") from error
    return out


def _parse_row(table: ReplicaTable, uuid: UUID, json: dict[str, Any]) -> Row:
    columns = table.columns
    row = {name: datum.parse(column.type, json[name]) for name, column in columns.items()}
    row["_uuid"] = uuid
    return Row(row)


def _changes(tables: dict[str, ReplicaTable], json: Any) -> list[Change]:
    found = []
    for name, rows in _parse_updates(tables, json).items():
        for uuid, new in rows.items():
            old = tables[name].rows.get(uuid)
            if old is not None or new is not None:
                found.append(Change(name, uuid, old, new))
    return found


def _differences(tables: dict[str, ReplicaTable], fresh: dict[str, dict[UUID, Row | None]]) -> list[Change]:
    """What leads from the rows that the tables have to fresh ones."""
    found = []
    for name, table in tables.items():
        new_rows = fresh.get(name, {})
        found += [Change(name, uuid, old, None) for uuid, old in table.rows.items() if uuid not in new_rows]
        for uuid, new in new_rows.items():
            old = table.rows.get(uuid)
            if old != new:
                found.append(Change(name, uuid, old, new))
    return found
