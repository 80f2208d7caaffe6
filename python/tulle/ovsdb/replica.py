"""A copy of a database, or of some tables, that follows the server and survives reconnects.

Readers see whole commits only.  With several remotes it goes to the next when one fails, falls behind or,
where only the leader will do, leads no longer.  `replica_session` knows the protocol, `cluster` the choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Self

import structlog

from tulle.errors import ProtocolError, TulleError, Unavailable
from tulle.ovsdb.builder import Transaction, emit_clauses
from tulle.ovsdb.client import Client
from tulle.ovsdb.cluster import SERVER_DATABASE, Remotes, Standing
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.events import RowEvent, row_event
from tulle.ovsdb.replica_locks import LockRequests
from tulle.ovsdb.replica_session import NEVER, Following, ServerWatch, apply, is_update, probe
from tulle.ovsdb.replica_updates import ReplicaTable
from tulle.ovsdb.schema import DatabaseSchema
from tulle.ovsdb.table import Change
from tulle.ovsdb.tls import Tls

_logger = structlog.get_logger(__name__)
Tables = Iterable[str] | Mapping[str, Iterable[str] | None]
Clause = tuple[str, str, Any]
CONNECT_S = 5.0
COMMIT_ATTEMPTS = 10


class Replica:
    """Follows `database` at `remote`: all tables, or those named, or of each named table some columns.

    async with Replica("unix:/run/db.sock", "Tulle") as replica:
        await replica.wait_until(lambda: replica.table("Node").rows)

    `remote` may be a list with commas, the servers of a cluster; `leader_only` follows its leader alone.
    `conditions` gives, for a table, clauses of which a row must match one to be in view.
    `tls` is needed for ssl remotes.
    """

    def __init__(
        self,
        remote: str,
        database: str,
        tables: Tables | None = None,
        *,
        leader_only: bool = False,
        conditions: Mapping[str, Sequence[Clause]] | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.remote = remote
        self.database = database
        self._wanted = tables
        self._tls = tls
        self._remotes = Remotes(remote)
        self._standing = Standing(database, leader_only)
        self._conditions: dict[str, Sequence[Clause]] = dict(conditions or {})
        self._tables: dict[str, ReplicaTable] = {}
        self._schema: DatabaseSchema | None = None
        self._client: Client | None = None
        self._following: Following | None = None
        self._watch: ServerWatch | None = None
        self._last_id = NEVER
        self._locks = LockRequests()
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
        return self._client is not None and not self._client.closed.is_set()

    @property
    def resumed(self) -> bool:
        """Whether this connection was given only what had been missed since the one before."""
        return self._following is not None and self._following.resumed

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

    async def commit(
        self, build: Callable[[Transaction], None], attempts: int = COMMIT_ATTEMPTS
    ) -> list[Any]:
        """Build a transaction on the rows as they are and execute it; again when a `verify` in it failed.

        Raises what `transact` does; the error "timed out" when all attempts met rows that had changed.
        """
        for attempt in range(1, attempts + 1):
            transaction = self.transaction()
            build(transaction)
            seen = self.generation
            try:
                return await self.transact(transaction)
            except OvsdbError as error:
                if error.error != "timed out" or not transaction.verifies or attempt == attempts:
                    raise
            if self.generation == seen:
                await self._wakeup.wait()
        raise AssertionError

    async def set_condition(self, table: str, clauses: Sequence[Clause] | None) -> None:
        """Change which rows of a table are in view (None: all); true of the rows when this returns.

        While not connected, it takes effect with the next connection.
        """
        if clauses is None:
            self._conditions.pop(table, None)
        else:
            self._conditions[table] = clauses
        if self._client is None or self._following is None or self._schema is None:
            self._last_id = NEVER  # what was missed is not all that is to come into view
            return
        where = self._where(self._schema).get(table, [True])
        await self._following.set_conditions(self._client, {table: where})

    async def lock(self, name: str) -> None:
        """Stand in the queue for a lock from now on, on every connection; see `owns`."""
        await self._locks.want(self._client, name)
        self._wake()

    async def steal(self, name: str) -> None:
        """Take a lock away from its owner; it is lost with the connection.  Raises `Unavailable`."""
        if self._client is None:
            raise Unavailable(f"not connected to {self.remote}")
        await self._locks.steal(self._client, name)
        self._wake()

    def owns(self, name: str) -> bool:
        """Whether this connection owns a lock, as far as was heard; `assert` operations make it sure."""
        return self.connected and name in self._locks.owned

    async def wait_until(self, predicate: Callable[[], Any], timeout_s: float | None = None) -> Any:
        """Wait until `predicate()` is true, asked whenever rows or the connection change; gives its value.

        It is not asked before the first connection.  Raises TimeoutError.
        """
        async with asyncio.timeout(timeout_s):
            while self._schema is None or not (value := predicate()):
                await self._wakeup.wait()
        return value

    def subscribe(self, subscriber: Callable[[list[RowEvent]], None]) -> Callable[[], None]:
        """Call `subscriber` with the events of each commit; the returned function ends that.

        After a reconnect the events say what differs from the last known rows.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def changed(self) -> Coroutine[Any, Any, Any]:
        """Wait until rows, connection or locks change, counted from this call."""
        return self._wakeup.wait()

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
        while True:
            remote = self._remotes.current
            try:
                async with asyncio.timeout(CONNECT_S):
                    client = await Client.connect(remote, self._notified, tls=self._tls)
                async with client:
                    await self._serve(client)
                    self.failure = Unavailable("the connection ended")
            except TulleError as error:
                self._note(remote, error)
            except TimeoutError:
                self._note(remote, Unavailable(f"no answer within {CONNECT_S:g} s"))
            except Exception as error:
                # What a server sent did not have the form that the RFC asks for.
                self._note(remote, ProtocolError(f"bad update from {remote}: {error!r}"))
            finally:
                self._leave()
            await asyncio.sleep(self._remotes.failed())

    async def _serve(self, client: Client) -> None:
        """Follow until the connection ends, or the server is not to be followed any more."""
        async with asyncio.timeout(CONNECT_S):
            watch = await self._judge(client)
            schema = await client.schema(self.database)
        await self._subscribe_to(client, schema)
        await self._locks.ask_all(client)
        self._remotes.served()
        self._client, self.failure = client, None
        self._wake()
        await _first_of(client.closed.wait(), watch.unfit.wait(), probe(client))
        if watch.fault is not None:
            raise Unavailable(watch.fault)

    async def _judge(self, client: Client) -> ServerWatch:
        watch = ServerWatch(self._standing)
        if self._remotes.several or self._standing.leader_only:
            self._watch = watch
            await watch.begin(client)
        return watch

    async def _subscribe_to(self, client: Client, schema: DatabaseSchema) -> None:
        tables = {
            name: ReplicaTable(schema.table(name), names) for name, names in self._chosen(schema).items()
        }
        same_columns = self._schema is not None and self._schema.emit() == schema.emit()
        for name, table in tables.items():
            if name in self._tables:
                table.rows = self._tables[name].rows
        following = Following(self.database, tables, self._where(schema))
        self._following = following
        changes = await following.begin(client, self._last_id if same_columns else NEVER)
        self._tables, self._schema = tables, schema
        self._apply(changes)
        for method, params in following.released():
            self._apply(following.changes(method, params))

    def _chosen(self, schema: DatabaseSchema) -> dict[str, list[str]]:
        wanted = self._wanted if self._wanted is not None else schema.tables
        if not isinstance(wanted, Mapping) or wanted is schema.tables:
            wanted = dict.fromkeys(wanted)
        return {
            name: list(columns) if columns is not None else [*schema.table(name).columns, "_version"]
            for name, columns in wanted.items()
        }

    def _where(self, schema: DatabaseSchema) -> dict[str, list[Any]]:
        return {
            name: emit_clauses(schema.table(name), clauses) or [False]
            for name, clauses in self._conditions.items()
        }

    def _notified(self, method: str, params: list[Any]) -> None:
        if method in ("locked", "stolen"):
            self._locks.notified(method, params)
            self._wake()
        elif is_update(method, params, SERVER_DATABASE) and self._watch is not None:
            self._watch.notified(params)
        elif is_update(method, params, self.database):
            self._take(method, params)

    def _take(self, method: str, params: list[Any]) -> None:
        following = self._following
        if following is not None and not following.hold(method, params):
            self._apply(following.changes(method, params))

    def _apply(self, changes: list[Change]) -> None:
        apply(self._tables, changes)
        if self._following is not None:
            self._last_id = self._following.last_id
        if not changes:
            return
        events = [row_event(change) for change in changes]
        for subscriber in list(self._subscribers):
            subscriber(events)
        self._wake()

    def _note(self, remote: str, error: TulleError) -> None:
        if isinstance(error, ProtocolError):
            self._last_id = NEVER  # the rows may not be what the server thinks they are
        self.failure = error
        _logger.info("not following the database", remote=remote, database=self.database, error=str(error))

    def _leave(self) -> None:
        self._client = self._following = self._watch = None
        self._locks.lose_all()
        self._wake()

    def _wake(self) -> None:
        self.generation += 1
        self._wakeup.set()
        self._wakeup = asyncio.Event()


async def _first_of(*waits: Any) -> None:
    """Return when one is done, and end the others; raises what the first one raised."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
