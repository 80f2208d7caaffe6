"""The networks of the database `Tulle` as values, kept up with its rows: only rows that changed are read again.

Values of rows that have not changed stay the same objects, so that others see at once what is as it was.
The slow, obvious twin is `intent.networks`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from tulle.errors import InvalidInput, TulleError
from tulle.logical import problems
from tulle.logical.neighbours import Neighbours
from tulle.logical.rules_changed import is_sound_change
from tulle.ovsdb import Change
from tulle.values import Network

from . import insertion, intent, routing
from .intent import StoredNetwork
from .writer import HasTables, Row, Source, source

OF_ROUTERS: Final = ("Router_Port", "NAT", routing.TABLE)
LISTS: Final = {
    "Logical_Switch": "switches",
    "Logical_Router": "routers",
    "Logical_Port": "ports",
    "ACL": "acls",
    "Port_Group": "port_groups",
    "Address_Set": "address_sets",
    "Load_Balancer": "load_balancers",
    **{table: column for table, (column, _) in insertion.ROWS.items()},
}
OnProblem = Callable[[str, Exception], None]


class Networks:
    """All networks by name; `note` is to be told of every change of rows."""

    def __init__(self, rows: Source) -> None:
        self._rows = rows
        self._kept: dict[str, _Kept] | None = None
        self._dirty: set[str] = set()
        self._found: dict[str, StoredNetwork] = {}
        self._wrong: dict[str, Exception] = {}

    def note(self, changes: Iterable[Change]) -> None:
        """Rows have changed."""
        if self._kept is None:
            return
        # Deletions first: a row may take the place of another one of its name in the same update.
        for change in sorted(changes, key=lambda one: one.new is not None):
            row = change.old if change.new is None else change.new
            if row is None:
                continue
            if change.table == "Network":
                self._kept_of(row["name"]).root = change.new
            elif change.table in LISTS:
                self._kept_of(row["network"]).mark(change.table, row["name"], change.new)
            elif change.table in OF_ROUTERS:
                self._kept_of(row["network"]).mark_of_router(change.table, row, change.new)

    def expect(self, network: Network) -> None:
        """This one has been checked already, should the rows come to say it."""
        if self._kept is not None:
            self._kept.setdefault(network.name, _Kept()).expected = network
            self._dirty.add(network.name)

    def networks(self, on_problem: OnProblem | None = None) -> dict[str, StoredNetwork]:
        """As `intent.networks`; do not change it."""
        if self._kept is None:
            self._begin()
        if self._dirty:
            self._settle()
        if on_problem is not None:
            for name, error in self._wrong.items():
                on_problem(name, error)
        return self._found

    def neighbours(self, name: str) -> Neighbours:
        """Of the ports of a network that there is; see `is_sound_change`."""
        self.networks()
        assert self._kept is not None
        return self._kept[name].neighbours

    def _kept_of(self, name: str) -> _Kept:
        assert self._kept is not None
        self._dirty.add(name)
        return self._kept.setdefault(name, _Kept())

    def _begin(self) -> None:
        self._kept = {}
        tables = ("Network", *LISTS, *OF_ROUTERS)
        self.note(Change(table, row["_uuid"], None, row) for table in tables for row in self._rows(table))  # type: ignore[arg-type]

    def _settle(self) -> None:
        assert self._kept is not None
        found = dict(self._found)
        dirty, self._dirty = self._dirty, set()
        for name in dirty:
            kept = self._kept[name]
            self._wrong.pop(name, None)
            found.pop(name, None)
            if kept.root is None:
                if not kept.has_rows:
                    del self._kept[name]
                continue
            try:
                found[name] = StoredNetwork(kept.network(), kept.root["generation"], kept.root["version"])
            except (TulleError, ValueError) as error:
                self._wrong[name] = error
        self._found = dict(sorted(found.items())) if found.keys() != self._found.keys() else found


class _Members:
    """The values of one table's rows of one network, in the order of their names."""

    def __init__(self, table: str) -> None:
        self.rows: dict[str, Row] = {}
        self.dirty: set[str] = set()
        self._names: list[str] = []
        self._values: list[Any] = []
        self._table = table
        self.members: tuple[Any, ...] = ()

    def settle(self, read: Callable[[str, Row], Any]) -> None:
        """Read what is dirty; where a row makes no sense, all that is left stays dirty."""
        if not self.dirty:
            return
        while self.dirty:
            name = self.dirty.pop()
            row = self.rows.get(name)
            try:
                value = None if row is None else read(self._table, row)
            except BaseException:
                self.dirty.add(name)
                raise
            at = bisect_left(self._names, name)
            is_there = at < len(self._names) and self._names[at] == name
            if value is None and is_there:
                del self._names[at], self._values[at]
            elif value is not None and is_there:
                self._values[at] = value
            elif value is not None:
                insort(self._names, name)
                self._values.insert(at, value)
        self.members = tuple(self._values)


class _Kept:
    """The rows of one network, and the network that they were when last asked for."""

    def __init__(self) -> None:
        self.root: Row | None = None
        self._lists = {table: _Members(table) for table in LISTS}
        self._of_routers: dict[str, dict[str, dict[str, Row]]] = {table: {} for table in OF_ROUTERS}
        self._last: Network | None = None
        self.expected: Network | None = None
        self.neighbours = Neighbours()

    @property
    def has_rows(self) -> bool:
        """Whether anything is left of it."""
        own = (rows for routers in self._of_routers.values() for rows in routers.values())
        return any(one.rows for one in self._lists.values()) or any(own)

    def mark(self, table: str, name: str, row: Row | None) -> None:
        """A row is there, or gone."""
        members = self._lists[table]
        members.dirty.add(name)
        if row is None:
            members.rows.pop(name, None)
        else:
            members.rows[name] = row

    def mark_of_router(self, table: str, row: Row, new: Row | None) -> None:
        """The same for a port or a translation of a router."""
        rows = self._of_routers[table].setdefault(row["router"], {})
        self._lists["Logical_Router"].dirty.add(row["router"])
        if new is None:
            rows.pop(row["name"], None)
        else:
            rows[row["name"]] = new

    def network(self) -> Network:
        """The network of these rows; InvalidInput or ValueError where they make no sense."""
        assert self.root is not None
        for members in self._lists.values():
            members.settle(self._read)
        lists = {name: self._lists[table].members for table, name in LISTS.items()}
        made: Network = replace(Network(self.root["name"]), **lists, **intent.network_facts(self.root))
        expected, self.expected = self.expected, None
        if expected != made and (
            self._last is None or not is_sound_change(self._last, made, self.neighbours)
        ):
            found = problems(made)
            if found:
                self._last = None
                raise InvalidInput("; ".join(one.message for one in found[:5]))
        self._last = made
        return made

    def _read(self, table: str, row: Row) -> Any:
        if table == "Logical_Router":
            ports, nats, policies = (rows.get(row["name"], {}).values() for rows in self._of_routers.values())
            return intent.router_of(row, ports, nats, policies)
        return intent.READERS[table](row)


_followed: WeakKeyDictionary[Any, Networks] = WeakKeyDictionary()


def followed(database: Any) -> Networks:
    """The networks of a store or database that tells of its changes; the same ones for all who ask."""
    known = _followed.get(database)
    if known is None:
        known = _followed[database] = Networks(source(_tables(database)))
        database.subscribe(known.note)
    return known


def _tables(database: HasTables) -> HasTables:
    return database
