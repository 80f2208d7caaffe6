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

import structlog

from tulle.errors import Conflict
from tulle.ovsdb import datum, history, jsonrpc
from tulle.ovsdb.catalog import Catalog
from tulle.ovsdb.convert import converted
from tulle.ovsdb.database import Database, Journal
from tulle.ovsdb.errors import OvsdbError, syntax_error
from tulle.ovsdb.locks import Locks
from tulle.ovsdb.monitor import with_conditions
from tulle.ovsdb.rbac import ANYBODY, Identity
from tulle.ovsdb.schema import parse_schema
from tulle.ovsdb.served import Group, Served, Subscription
from tulle.ovsdb.table import Change

_logger = structlog.get_logger(__name__)


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

    `now` gives seconds on any monotonic clock; `history_bytes` bounds what each database remembers for clients that
    come back.
    """

    def __init__(
        self,
        now: Callable[[], float],
        new_uuid: Callable[[], UUID] = uuid4,
        history_bytes: int = history.MAX_BYTES,
    ) -> None:
        self.now = now
        self._history_bytes = history_bytes
        self.server_id = new_uuid()
        self.served: dict[str, Served] = {}
        self.sessions: set[Session] = set()
        self.locks = Locks()
        self.waiting: list[Waiting] = []
        self._new_uuid = new_uuid
        self.unsynced: set[Journal] = set()  # of commits that must be durable before anybody hears of them
        self._changed: set[tuple[str, str]] = set()
        self._catalog = Catalog(new_uuid)
        self.add_database(self._catalog.database)

    @property
    def databases(self) -> dict[str, Database]:
        """The served databases, by name."""
        return {name: served.database for name, served in self.served.items()}

    @property
    def groups(self) -> list[Group]:
        """Everything that is monitored now."""
        return [group for served in self.served.values() for group in served.groups.values()]

    def add_database(self, database: Database) -> None:
        """Serve a database; raises `Conflict` if one of that name is served."""
        if database.name in self.served:
            raise Conflict(f"database {database.name} is served already")
        self._reconnect(f"adding {database.name} database")
        served = self.served[database.name] = Served(database, self._new_uuid, self._history_bytes)
        served.unsubscribe = database.subscribe(lambda changes: self._publish(served, changes))
        self._catalog.add(database)

    def remove_database(self, name: str) -> None:
        """Serve a database no more; raises "unknown database"."""
        served = self._changeable(name)
        self._cancel_waiting(served.database)
        served.cancel_all()
        served.unsubscribe()
        del self.served[name]
        self._catalog.remove(name)
        self._reconnect(f"removing {name} database")

    def convert(self, name: str, schema: object) -> None:
        """Put a database under another schema while it is served; raises `OvsdbError`, and nothing changes.

        As upstream: its monitors end, clients that are aware of changes of databases are told so, all others
        are disconnected and find the new schema when they come back.
        """
        served = self._changeable(name)
        served.database.adopt(converted(served.database, parse_schema(schema)))
        served.cancel_all()
        self._catalog.convert(served.database)
        self._changed.update((name, table) for table in served.database.tables)
        self._reconnect(f"converting {name} database")

    def database(self, name: object) -> Database:
        """The database of this name; raises "unknown database"."""
        return self.find(name).database

    def find(self, name: object) -> Served:
        """The served database of this name; raises "unknown database"."""
        found = self.served.get(name) if isinstance(name, str) else None
        if found is None:
            raise OvsdbError("unknown database", f"no database {name}", syntax=name)
        return found

    def _changeable(self, name: object) -> Served:
        served = self.find(name)
        if served.database is self._catalog.database:
            raise OvsdbError("not allowed", f"database {name} belongs to the server")
        return served

    def _reconnect(self, why: str) -> None:
        for session in list(self.sessions):
            if not session.aware_of_changes:
                _logger.info("disconnecting a client", reason=why)
                session.disconnect()

    def _cancel_waiting(self, database: Database) -> None:
        for item in [item for item in self.waiting if item.database is database]:
            item.session.cancel_waiting(item)

    def _publish(self, served: Served, changes: list[Change]) -> None:
        if self.waiting:
            self._changed.update((served.database.name, change.table) for change in changes)
        served.publish(changes)

    def sync(self) -> None:
        """Make the commits durable that asked for it; raises OSError.

        As in ovsdb-server, the others are with the operating system: they survive the death of the process.
        """
        while self.unsynced:
            self.unsynced.pop().sync()
        for served in self.served.values():
            if served.database.journal is not None:
                served.database.journal.tidy()

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
        self.output_bytes = 0
        self.aware_of_changes = False
        self.ended = False
        self._output: deque[bytes] = deque()
        self._on_output = on_output
        service.sessions.add(self)

    def send(self, data: bytes) -> None:
        """Queue bytes for the client."""
        self._output.append(data)
        self.output_bytes += len(data)
        self._on_output()

    def take_output(self) -> list[bytes]:
        """What to send now; call `Service.sync` before."""
        out = list(self._output)
        self._output.clear()
        self.output_bytes = 0
        return out

    def disconnect(self) -> None:
        """Ask the edge to close the connection once what is queued has been sent; see `ended`."""
        self.ended = True
        self._on_output()

    def cancel(self, subscription: Subscription) -> None:
        """End a monitor from the server's side."""
        self._unsubscribe(subscription.emitted_id)
        if self.aware_of_changes:
            subscription.cancel()

    def cancel_waiting(self, item: Waiting) -> None:
        """End a transaction that waits."""
        self.service.waiting.remove(item)
        self._answer(jsonrpc.error_reply("canceled", item.request_id), item.request_id)

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
        if outcome.durable and database.journal is not None:
            self.service.unsynced.add(database.journal)
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
        if not params:  # the IDL of the ovs package sends more than one
            raise syntax_error(params, "get_schema needs a database name")
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
                self.cancel_waiting(item)
        return _LATER

    def _monitor(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 3)
        return self._subscribe(1, params[0], params[1], params[2])

    def _monitor_cond(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 3)
        return self._subscribe(2, params[0], params[1], params[2])

    def _monitor_cond_since(self, params: list[Any], _request_id: Any) -> Any:
        """All rows, or when the history reaches back so far only what changed since (ovsdb-server(7) 4.1.15)."""
        _count(params, 4)
        known = datum.parse_uuid_text(params[3])
        group = self._join(3, params[0], params[1], params[2])
        history = group.served.history
        missed = history.since(known)
        if missed is None:
            return [False, str(history.last_id), group.monitor.initial(group.served.database)]
        return [True, str(history.last_id), group.monitor.updates(missed)]

    def _monitor_cond_change(self, params: list[Any], _request_id: Any) -> Any:
        """Other conditions, and perhaps another id, for a monitor; rows that come or go are sent before the reply."""
        _count(params, 3)
        subscription = self._subscription(params[0])
        group = subscription.group
        if group.monitor.version == 1:
            raise syntax_error(params, "a monitor without conditions cannot change them")
        key = jsonrpc.emit(params[1])
        if key != subscription.emitted_id and key in self.subscriptions:
            raise OvsdbError("duplicate monitor ID", syntax=params[1])
        wanted = with_conditions(group.requests, params[2])
        other = group.served.group(group.monitor.version, wanted)
        del self.subscriptions[subscription.emitted_id]
        moved = self._join_group(other, params[1])
        group.served.leave(subscription)
        updates = other.monitor.moved(group.monitor, group.served.database) if other is not group else {}
        if updates:
            moved.send(jsonrpc.emit(updates))
        return {}

    def _subscribe(self, version: int, name: object, json_id: Any, requests: Any) -> Any:
        group = self._join(version, name, json_id, requests)
        return group.monitor.initial(group.served.database)

    def _join(self, version: int, name: object, json_id: Any, requests: Any) -> Group:
        served = self.service.find(name)
        if jsonrpc.emit(json_id) in self.subscriptions:
            raise OvsdbError("duplicate monitor ID", syntax=json_id)
        return self._join_group(served.group(version, requests), json_id).group

    def _join_group(self, group: Group, json_id: Any) -> Subscription:
        key = jsonrpc.emit(json_id)
        subscription = self.subscriptions[key] = Subscription(self, group, json_id, key)
        group.subscriptions.append(subscription)
        return subscription

    def _subscription(self, json_id: Any) -> Subscription:
        found = self.subscriptions.get(jsonrpc.emit(json_id))
        if found is None:
            raise OvsdbError("unknown monitor", syntax=json_id)
        return found

    def _monitor_cancel(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 1)
        self._unsubscribe(self._subscription(params[0]).emitted_id)
        return {}

    def _unsubscribe(self, key: bytes) -> None:
        subscription = self.subscriptions.pop(key)
        subscription.group.served.leave(subscription)

    def _convert(self, params: list[Any], _request_id: Any) -> Any:
        _count(params, 2)
        if self.identity.restricted:
            raise OvsdbError("permission error", "this client may not convert databases")
        self.service.convert(params[0], params[1])
        return {}

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
        self.aware_of_changes = params[0]
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
    "monitor_cond_change": Session._monitor_cond_change,
    "monitor_cancel": Session._monitor_cancel,
    "convert": Session._convert,
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
