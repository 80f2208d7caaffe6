"""One connection of a replica: judged by its `_Server` database, then monitored as well as it can.

`monitor_cond_since` where the server has it, so that a new connection gets only what was missed;
else `monitor_cond`, else `monitor` (RFC 7047), for which conditions must not have been asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tulle.errors import ProtocolError, Unavailable
from tulle.ovsdb import schema as schemas
from tulle.ovsdb.client import Client
from tulle.ovsdb.cluster import SERVER_COLUMNS, SERVER_DATABASE, Standing
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.replica_updates import (
    Fresh,
    ReplicaTable,
    Tables,
    differences,
    parse_changes,
    parse_changes2,
    parse_whole,
)
from tulle.ovsdb.table import Change

NEVER = "00000000-0000-0000-0000-000000000000"
PROBE_S = 5.0
METHODS = ("monitor_cond_since", "monitor_cond", "monitor")
_NOTIFICATIONS = frozenset({"update", "update2", "update3"})


class ServerWatch:
    """Follows what a server says of itself; `unfit` is set when it is not to be followed any more."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        table = schemas.load("_server").table("Database")
        self._tables = {"Database": ReplicaTable(table, SERVER_COLUMNS)}
        self._begun = False
        self.fault: str | None = None
        self.unfit = asyncio.Event()

    async def begin(self, client: Client) -> None:
        """Ask for its standing; raises `Unavailable` if it will not do.  Old servers have no `_Server`."""
        requests = {"Database": {"columns": list(SERVER_COLUMNS)}}
        try:
            reply = await client.request("monitor_cond", SERVER_DATABASE, SERVER_DATABASE, requests)
        except OvsdbError:
            return
        if not self._begun:
            self._replace(parse_whole(self._tables, reply))
        if self.fault is not None:
            raise Unavailable(self.fault)

    def notified(self, params: list[Any]) -> None:
        """An update of `_Server`; one that comes with the first reply says more than that."""
        self._begun = True
        changes = parse_changes2(self._tables, params[1])
        self._apply(changes)

    def _replace(self, fresh: Fresh) -> None:
        self._begun = True
        self._apply(differences(self._tables, fresh))

    def _apply(self, changes: list[Change]) -> None:
        apply(self._tables, changes)
        self.fault = self._standing.fault(self._tables["Database"].rows)
        if self.fault is not None:
            self.unfit.set()


class Following:
    """The monitor of one connection; `on_changes` gets what each notification means."""

    def __init__(self, database: str, tables: Tables, conditions: Mapping[str, Any]) -> None:
        self.database = database
        self.tables = tables
        self.conditions = conditions
        self.last_id = NEVER
        self.method = METHODS[0]
        self.resumed = False
        self._early: list[tuple[str, list[Any]]] | None = []

    async def begin(self, client: Client, last_id: str) -> list[Change]:
        """Monitor; what leads from the rows that the tables have to those of the server."""
        for method in METHODS:
            self.method = method
            try:
                return self._begun(await client.request(method, *self._request(last_id)))
            except OvsdbError as error:
                if "unknown method" not in str(error) or method == METHODS[-1]:
                    raise
        raise AssertionError

    def released(self) -> list[tuple[str, list[Any]]]:
        """The notifications that came before the first rows were applied; from now on none is kept back."""
        early, self._early = self._early, None
        return early or []

    def hold(self, method: str, params: list[Any]) -> bool:
        """Keep a notification back while the first rows are not applied yet; whether it was."""
        if self._early is None:
            return False
        self._early.append((method, params))
        return True

    def changes(self, method: str, params: list[Any]) -> list[Change]:
        """What a notification means for the tables."""
        if method == "update":
            return parse_changes(self.tables, params[1])
        found = parse_changes2(self.tables, params[-1])
        if method == "update3":
            self.last_id = str(params[1])
        return found

    async def set_conditions(self, client: Client, changed: Mapping[str, Any]) -> None:
        """Change conditions; the rows that come into view and go are there when this returns."""
        if self.method == "monitor":
            raise Unavailable("the server is too old for conditions")
        requests = {name: [{"where": where}] for name, where in changed.items()}
        await client.request("monitor_cond_change", self.database, self.database, requests)

    def _request(self, last_id: str) -> list[Any]:
        requests = {name: self._table_request(name) for name in self.tables}
        last = [last_id] if self.method == "monitor_cond_since" else []
        return [self.database, self.database, requests, *last]

    def _table_request(self, name: str) -> Any:
        columns = {"columns": list(self.tables[name].columns)}
        if name not in self.conditions:
            return columns if self.method == "monitor" else [columns]
        if self.method == "monitor":
            raise Unavailable("the server is too old for conditions")
        return [{**columns, "where": self.conditions[name]}]

    def _begun(self, reply: Any) -> list[Change]:
        if self.method != "monitor_cond_since":
            return differences(self.tables, parse_whole(self.tables, reply))
        if not isinstance(reply, list) or len(reply) != 3:
            raise ProtocolError("expected whether it was found, the last transaction, and updates")
        self.resumed, last_id, updates = reply[0] is True, *reply[1:]
        self.last_id = str(last_id)
        if self.resumed:
            return parse_changes2(self.tables, updates)
        return differences(self.tables, parse_whole(self.tables, updates))


def apply(tables: Tables, changes: Sequence[Change]) -> None:
    """Make the rows follow."""
    for change in changes:
        rows = tables[change.table].rows
        if change.new is None:
            rows.pop(change.uuid, None)
        else:
            rows[change.uuid] = change.new


def is_update(method: str, params: list[Any], of: str) -> bool:
    """Whether a notification has updates of the monitor of this database."""
    return method in _NOTIFICATIONS and len(params) == (3 if method == "update3" else 2) and params[0] == of


async def probe(client: Client, interval_s: float = PROBE_S) -> None:
    """Return when the server has not answered for an interval."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            # Not `wait_for`: Python 3.11's loses a cancellation that comes together with the answer.
            async with asyncio.timeout(interval_s):
                await client.request("echo")
        except TimeoutError:
            return
