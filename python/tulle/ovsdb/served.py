"""One database as it is served: who monitors what of it, and the commits that a client may have missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tulle.ovsdb import jsonrpc
from tulle.ovsdb.database import Database
from tulle.ovsdb.history import MAX_BYTES, History
from tulle.ovsdb.monitor import Monitor
from tulle.ovsdb.table import Change

if TYPE_CHECKING:
    from tulle.ovsdb.service import Session

_UPDATE_METHODS = {1: "update", 2: "update2", 3: "update3"}


@dataclass(eq=False)
class Subscription:
    """One monitor of one session."""

    session: Session
    group: Group
    json_id: Any
    emitted_id: bytes

    def send(self, updates: bytes) -> None:
        """Send emitted <table-updates>."""
        self.session.send(self.group.head() + self.emitted_id + self.group.tail(updates))

    def cancel(self) -> None:
        """Tell the client that this monitor has ended (ovsdb-server(7) section 4.1.20)."""
        self.session.send(jsonrpc.request("monitor_canceled", [self.json_id], None))


class Group:
    """The subscriptions that asked for the same of one database; they share each update's bytes."""

    def __init__(self, served: Served, monitor: Monitor, requests: Any) -> None:
        self.served = served
        self.monitor = monitor
        self.requests = requests
        self.subscriptions: list[Subscription] = []

    def publish(self, changes: list[Change]) -> None:
        """Send a commit to everybody in the group."""
        updates = self.monitor.updates(changes)
        if not updates:
            return
        head, tail = self.head(), self.tail(jsonrpc.emit(updates))
        for subscription in self.subscriptions:
            subscription.session.send(head + subscription.emitted_id + tail)

    def head(self) -> bytes:
        """What comes before the monitor's id in an update."""
        return b'{"method":"%s","params":[' % _UPDATE_METHODS[self.monitor.version].encode()

    def tail(self, updates: bytes) -> bytes:
        """What comes after the monitor's id in an update."""
        if self.monitor.version == 3:
            updates = b'"%s",' % str(self.served.history.last_id).encode() + updates
        return b"," + updates + b'],"id":null}'


class Served:
    """A database with its monitors and its history."""

    def __init__(
        self, database: Database, new_uuid: Callable[[], UUID], history_bytes: int = MAX_BYTES
    ) -> None:
        self.database = database
        self.history = History(new_uuid, max_bytes=history_bytes)
        self.groups: dict[tuple[int, bytes], Group] = {}
        self.unsubscribe: Callable[[], None] = lambda: None

    def publish(self, changes: list[Change]) -> None:
        """Remember a commit and send it to whom it concerns."""
        self.history.append(changes)
        for group in list(self.groups.values()):
            group.publish(changes)

    def group(self, version: int, requests: Any) -> Group:
        """The group of those who ask for this; raises `OvsdbError`."""
        key = (version, jsonrpc.emit(requests))
        group = self.groups.get(key)
        if group is None:
            monitor = Monitor(version, self.database.schema, requests)
            group = self.groups[key] = Group(self, monitor, requests)
        return group

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        group = subscription.group
        group.subscriptions.remove(subscription)
        if not group.subscriptions:
            self.groups = {key: other for key, other in self.groups.items() if other is not group}

    def cancel_all(self) -> None:
        """End every monitor; clients that understand it are told."""
        for group in list(self.groups.values()):
            for subscription in list(group.subscriptions):
                subscription.session.cancel(subscription)
        self.history.forget()
