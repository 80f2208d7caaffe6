"""The server's side of the protocol (RFC 7047 section 4.1) for many sessions, without sockets or clock.

The edge (`server`) feeds messages to `Session.receive`, sends what `take_output` gives after `sync`, and
calls `expire` when `next_deadline` has come.  As replies wait for `sync`, one fsync serves many transactions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tulle.errors import Conflict
from tulle.ovsdb import datum, jsonrpc
from tulle.ovsdb.database import Database
from tulle.ovsdb.errors import OvsdbError, syntax_error
from tulle.ovsdb.locks import Locks
from tulle.ovsdb.monitor import Monitor
from tulle.ovsdb.rbac import ANYBODY, Identity
from tulle.ovsdb.schema import load
from tulle.ovsdb.table import Change

_UPDATE_METHODS = {1: "update", 2: "update2", 3: "update3"}
_ZERO = UUID(int=0)


@dataclass
class Subscription:
    """One monitor of one session."""

    session: Session
    group: Group
    json_id: Any
    emitted_id: bytes


class Group:
    """The subscriptions that asked for the same of one database; they share each update's bytes."""

    def __init__(self, database: Database, monitor: Monitor) -> None:
        self.database = database
        self.monitor = monitor
        self.subscriptions: list[Subscription] = []

    def publish(self, changes: list[Change]) -> None:
        """Send a commit to everybody in the group."""
        updates = self.monitor.updates(changes)
        if not updates:
            return
        body = jsonrpc.emit(updates)
        version = self.monitor.version
        if version == 3:
            body = b'"%s",' % str(_ZERO).encode() + body
        tail = b"," + body + b'],"id":null}'
        head = b'{"method":"%s","params":[' % _UPDATE_METHODS[version].encode()
        for subscription in self.subscriptions:
            subscription.session.send(head + subscription.emitted_id + tail)


@dataclass
class Waiting:
    """A transaction whose `wait` does not hold yet."""

    session: Session
    request_id: Any
    database: Database
    operations: list[Any]
    started: float
    deadline: float | None
    awaited: frozenset[str]


class Service:
    """Databases, the sessions that use them, locks and waiting transactions.

    `now` gives seconds on any monotonic clock.
    """

    def __init__(self, now: Callable[[], float], new_uuid: Callable[[], UUID] = uuid4) -> None:
        self.now = now
        self.server_id = new_uuid()
        self.databases: dict[str, Database] = {}
        self.sessions: set[Session] = set()
        self.locks = Locks()
        self.waiting: list[Waiting] = []
        self.groups: dict[tuple[str, int, bytes], Group] = {}
        self._changed: set[tuple[str, str]] = set()
        self._catalog = Database(load("_server"), new_uuid=new_uuid)
        self.add_database(self._catalog)

    def add_database(self, database: Database) -> None:
        """Serve a database; raises `Conflict` if one of that name is served."""
        if database.name in self.databases:
            raise Conflict(f"database {database.name} is served already")
        self.databases[database.name] = database
        database.subscribe(lambda changes: self._publish(database, changes))
        self._catalog.read_only = False
        self._catalog.transact([_catalog_entry(database)])
        self._catalog.read_only = True

    def database(self, name: object) -> Database:
        """The database of this name; raises "unknown database"."""
        found = self.databases.get(name) if isinstance(name, str) else None
        if found is None:
            raise OvsdbError("unknown database", f"no database {name}", syntax=name)
        return found

    def _publish(self, database: Database, changes: list[Change]) -> None:
        self._changed.update((database.name, change.table) for change in changes)
        for group in [group for group in self.groups.values() if group.database is database]:
            group.publish(changes)

    def sync(self) -> None:
        """Make every commit durable; raises OSError."""
        for database in self.databases.values():
            if database.journal is not None:
                database.journal.sync()

    def retry_waiting(self) -> None:
        """Try transactions again whose awaited tables have changed; those may wake others."""
        while self._changed and self.waiting:
            changed, self._changed = self._changed, set()
            for item in list(self.waiting):
                if item in self.waiting and any(
                    (item.database.name, table) in changed for table in item.awaited
                ):
                    self.waiting.remove(item)
                    item.session.run(item.request_id, item.database, item.operations, item.started)
        self._changed.clear()

    def next_deadline(self) -> float | None:
        """When `expire` has something to do next."""
        return min((item.deadline for item in self.waiting if item.deadline is not None), default=None)

    def expire(self) -> None:
        """Answer "timed out" to transactions that waited too long."""
        now = self.now()
        for item in list(self.waiting):
            if item.deadline is not None and item.deadline <= now:
                self.waiting.remove(item)
                item.session.run(item.request_id, item.database, item.operations, item.started)


def _catalog_entry(database: Database) -> dict[str, Any]:
    schema = jsonrpc.emit(database.schema.emit()).decode()
    row = {"name": database.name, "model": "standalone", "connected": True, "leader": True, "schema": schema}
    return {"op": "insert", "table": "Database", "row": row}


class Session:
    """One client.  What it is to be sent gathers in order until the edge takes it."""

    def __init__(
        self,
        service: Service,
        on_output: Callable[[], None] = lambda: None,
        identity: Identity = ANYBODY,
    ) -> None:
        """`on_output` is called when output appears; it must only take note."""
        self.service = service
        self.identity = identity
        self.subscriptions: dict[bytes, Subscription] = {}
        self._output: deque[bytes] = deque()
        self._on_output = on_output
        service.sessions.add(self)

    def send(self, data: bytes) -> None:
        """Queue bytes for the client."""
        self._output.append(data)
        self._on_output()

    def take_output(self) -> list[bytes]:
        """What to send now; call `Service.sync` before."""
        out = list(self._output)
        self._output.clear()
        return out

    def close(self) -> None:
        """Forget the session: its monitors, locks and waiting transactions."""
        self.service.sessions.discard(self)
        self.service.waiting = [item for item in self.service.waiting if item.session is not self]
        for key in list(self.subscriptions):
            self._unsubscribe(key)
        for owner, name in self.service.locks.release_all(self):
            owner.send(jsonrpc.request("locked", [name], None))

    def receive(self, message: jsonrpc.Message) -> None:
        """Answer a message; raises `ProtocolError` if it is none, and the connection must then be closed."""
        if not jsonrpc.is_request(message):
            return  # an answer to our echo
        method, params, request_id = message["method"], message["params"], message.get("id")
        handler = _METHODS.get(method)
        if handler is None:
            self._answer(jsonrpc.error_reply("unknown method", request_id), request_id)
            return
        try:
            result = handler(self, params, request_id)
        except OvsdbError as error:
            self._answer(jsonrpc.error_reply(error.emit(), request_id), request_id)
            return
        if result is not _LATER:
            self._answer(jsonrpc.reply(result, request_id), request_id)
        self.service.retry_waiting()

    def _answer(self, data: bytes, request_id: Any) -> None:
        if request_id is not None:
            self.send(data)

    def run(self, request_id: Any, database: Database, operations: list[Any], started: float) -> None:
        """Execute a transaction; answer it, or let it wait for as long since `started` as it allows."""
        outcome = database.execute(
            operations, lambda name: self.service.locks.owner(name) is self, self.identity
        )
        deadline = None if outcome.wait_ms is None else started + outcome.wait_ms / 1000
        if outcome.waiting and (deadline is None or deadline > self.service.now()):
            self.service.waiting.append(
                Waiting(self, request_id, database, operations, started, deadline, outcome.awaited)
            )
            return
        self._answer(jsonrpc.reply(outcome.results, request_id), request_id)

    def _list_dbs(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 0)
        return sorted(self.service.databases)

    def _schema(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 1)
        return self.service.database(params[0]).schema.emit()

    def _echo(self, params: list[Any], _request_id: Any) -> Any:
        return params

    def _transact(self, params: list[Any], request_id: Any) -> Any:
        if not params:
            raise syntax_error(params, "transact needs a database name")
        database = self.service.database(params[0])
        self.run(request_id, database, params[1:], self.service.now())
        return _LATER

    def _cancel(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 1)
        for item in list(self.service.waiting):
            if item.session is self and item.request_id == params[0]:
                self.service.waiting.remove(item)
                self._answer(jsonrpc.error_reply("canceled", item.request_id), item.request_id)
        return _LATER

    def _monitor(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 3)
        return self._subscribe(1, params[0], params[1], params[2])

    def _monitor_cond(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 3)
        return self._subscribe(2, params[0], params[1], params[2])

    def _monitor_cond_since(self, params: list[Any], _request_id: Any) -> Any:
        """Keeps no history, so it always answers "not found", with all rows (ovsdb-server(7) 4.1.15)."""
        _count(params, 4)
        return [False, str(_ZERO), self._subscribe(3, params[0], params[1], params[2])]

    def _subscribe(self, version: int, name: object, json_id: Any, requests: Any) -> Any:
        database = self.service.database(name)
        key = jsonrpc.emit(json_id)
        if key in self.subscriptions:
            raise OvsdbError("duplicate monitor ID", syntax=json_id)
        group = self._group(database, version, requests)
        subscription = Subscription(self, group, json_id, key)
        group.subscriptions.append(subscription)
        self.subscriptions[key] = subscription
        return group.monitor.initial(database)

    def _group(self, database: Database, version: int, requests: Any) -> Group:
        key = (database.name, version, jsonrpc.emit(requests))
        group = self.service.groups.get(key)
        if group is None:
            group = self.service.groups[key] = Group(database, Monitor(version, database.schema, requests))
        return group

    def _monitor_cancel(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 1)
        key = jsonrpc.emit(params[0])
        if key not in self.subscriptions:
            raise OvsdbError("unknown monitor", syntax=params[0])
        self._unsubscribe(key)
        return {}

    def _unsubscribe(self, key: bytes) -> None:
        group = self.subscriptions.pop(key).group
        group.subscriptions = [
            item for item in group.subscriptions if item.session.subscriptions.get(item.emitted_id) is item
        ]
        if not group.subscriptions:
            groups = self.service.groups
            for name in [name for name, other in groups.items() if other is group]:
                del groups[name]

    def _lock(self, params: list[Any], _request_id: Any) -> Any:
        return {"locked": self.service.locks.lock(self, _lock_name(params))}

    def _steal(self, params: list[Any], _request_id: Any) -> Any:
        name = _lock_name(params)
        loser = self.service.locks.steal(self, name)
        if loser is not None and loser is not self:
            loser.send(jsonrpc.request("stolen", [name], None))
        return {"locked": True}

    def _unlock(self, params: list[Any], _request_id: Any) -> Any:
        name = _lock_name(params)
        heir = self.service.locks.unlock(self, name)
        if heir is not None:
            heir.send(jsonrpc.request("locked", [name], None))
        return {}

    def _server_id(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 0)
        return str(self.service.server_id)

    def _set_db_change_aware(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 1)
        if type(params[0]) is not bool:
            raise syntax_error(params, "set_db_change_aware needs a boolean")
        return {}


_LATER = object()
_METHODS: dict[str, Callable[[Session, list[Any], Any], Any]] = {
    "list_dbs": Session._list_dbs,
    "get_schema": Session._schema,
    "transact": Session._transact,
    "cancel": Session._cancel,
    "monitor": Session._monitor,
    "monitor_cond": Session._monitor_cond,
    "monitor_cond_since": Session._monitor_cond_since,
    "monitor_cancel": Session._monitor_cancel,
    "lock": Session._lock,
    "steal": Session._steal,
    "unlock": Session._unlock,
    "echo": Session._echo,
    "get_server_id": Session._server_id,
    "set_db_change_aware": Session._set_db_change_aware,
}


def _count(params: list[Any], number: int) -> None:
    if len(params) != number:
        raise syntax_error(params, f"expected {number} params, got {len(params)}")


def _lock_name(params: list[Any]) -> str:
    _count(params, 1)
    if not datum.is_name(params[0]):
        raise syntax_error(params, "a lock name must be an id")
    return str(params[0])
