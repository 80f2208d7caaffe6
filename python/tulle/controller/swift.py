"""What follows from changes of single ports, and from switches that go: numbers and bindings.

The whole is `reaction.react`; what is written here comes to the same rows, without a look at all that there is.
Whatever else has changed (switches and routers that come, networks that come or go, nodes, tunnels) is left to it,
and so is a port that an external node has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Final

from tulle.store import Row, Writer, followed
from tulle.store.writer import HasRows
from tulle.values import PORT_KEY_MAX

from .stores import Rows

Change = Any
_LISTS: Final = (
    *("switches", "routers", "ports", "acls", "port_groups", "address_sets", "load_balancers"),
    *("appliances", "chains", "mirrors"),
)
_HARMLESS: Final = frozenset((*_LISTS, "generation", "paused", "default_deny"))
_IGNORED: Final = frozenset({"_version"})


class Swift:
    """Gathers changes of `Tulle`; `write` gives what they lead to in `Tulle_State`."""

    def __init__(self, intent: Rows, state: Rows) -> None:
        self._intent, self._state = intent, state
        self._ports: dict[tuple[str, str], Row | None] = {}
        self._gone: dict[tuple[str, str, str], None] = {}
        self._gone_datapaths: dict[tuple[str, str], None] = {}

    def note(self, change: Change) -> bool:
        """Whether a change of `Tulle` is one of those that are understood here."""
        if change.table == "Logical_Port":
            self._note_port(change.old, change.new)
            return True
        if change.table in ("Logical_Switch", "Logical_Router", "Router_Port"):
            return self._note_shape(change.table, change.old, change.new)
        if change.table != "Network" or change.old is None or change.new is None:
            return False
        differing = {name for name, value in change.new.items() if change.old[name] is not value}
        return all(change.old[name] == change.new[name] for name in differing - _HARMLESS - _IGNORED)

    def forget(self) -> None:
        """Everything was looked at as a whole; what is still held is for the whole to release."""
        self._ports.clear()
        self._gone.clear()
        self._gone_datapaths.clear()

    def write(self, writer: Writer) -> bool:
        """Add the operations; False where only the whole will do."""
        external = {row["name"] for row in self._intent.table("Node").rows.values() if row["external"]}
        ports = {key: row for key, row in self._ports.items() if row is not None}
        known = followed(self._intent).networks()
        networks = {network for network, _ in self._ports}
        if any(row["node"] in external for row in ports.values()) or not networks <= known.keys():
            return False
        if any(known[name].network.chains for name in networks):
            # The switch of a chain's port has a number of its own for what has passed it.
            return False
        self._unbind(writer)
        added = self._keys(writer, ports)
        self._ports.clear()
        self._release(writer, added)
        return True

    @property
    def is_holding(self) -> bool:
        """Whether keys wait to be released."""
        return bool(self._gone or self._gone_datapaths)

    def _note_port(self, old: Row | None, new: Row | None) -> None:
        if old is not None and (new is None or new["switch"] != old["switch"]):
            self._gone[old["network"], old["switch"], old["name"]] = None
        row = new if new is not None else old
        if row is not None:
            self._ports[row["network"], row["name"]] = new

    def _note_shape(self, table: str, old: Row | None, new: Row | None) -> bool:
        """What goes is understood, and what has a number already; what comes is not."""
        if old is None:
            return False
        if table == "Router_Port":
            if new is None or new["switch"] != old["switch"]:
                for datapath in (old["switch"], old["router"]):
                    self._gone[old["network"], datapath, old["name"]] = None
            return new is None or bool(new["switch"] == old["switch"])
        if new is None:
            self._gone_datapaths[old["network"], old["name"]] = None
        return True

    def _unbind(self, writer: Writer) -> None:
        gone = [key for key, row in self._ports.items() if row is None]
        bindings = self._state.table("Binding")
        for network, port in gone:
            row = _find(bindings, {"network": network, "port": port})
            if row is not None:
                writer.delete("Binding", row)

    def _keys(self, writer: Writer, ports: Mapping[tuple[str, str], Row]) -> set[tuple[str, str, str]]:
        """New ports get their preferred key where it is free, else the lowest free one, in order of their names."""
        rows = self._state.table("Port_Key")
        wanted = sorted((network, row["switch"], name) for (network, name), row in ports.items())
        new = [path for path in wanted if _find(rows, _path_of(path)) is None]
        taken: set[tuple[str, str, int]] = set()
        made: dict[tuple[str, str, str], int] = {}
        for path in new:
            number = self._preferred(path)
            if 1 <= number <= PORT_KEY_MAX and self._is_free(rows, path, number, taken):
                made[path] = number
                taken.add((*path[:2], number))
        for path in new:
            if path not in made:
                made[path] = next(one for one in count(1) if self._is_free(rows, path, one, taken))
                taken.add((*path[:2], made[path]))
        for path, number in made.items():
            writer.insert("Port_Key", {**_path_of(path), "key": number})
        return set(wanted)

    def _is_free(
        self, rows: HasRows, path: tuple[str, str, str], number: int, taken: set[tuple[str, str, int]]
    ) -> bool:
        wanted = {"network": path[0], "datapath": path[1], "key": number}
        return (*path[:2], number) not in taken and _find(rows, wanted) is None

    def _preferred(self, path: tuple[str, str, str]) -> int:
        row = _find(self._intent.table("Network"), {"name": path[0]})
        return 0 if row is None else int(row["numbers"].get("/".join(path[1:]), 0))

    def _release(self, writer: Writer, used: set[tuple[str, str, str]]) -> None:
        """Keys of ports that are gone go when no node has an old generation of the network any more."""
        rows = self._state.table("Port_Key")
        lagging = self._lagging({path[0] for path in (*self._gone, *self._gone_datapaths)})
        for path in list(self._gone):
            if path[0] in lagging:
                continue
            del self._gone[path]
            row = _find(rows, _path_of(path))
            if row is not None and path not in used and not self._exists(path):
                writer.delete("Port_Key", row)
        for network, name in [one for one in self._gone_datapaths if one[0] not in lagging]:
            del self._gone_datapaths[network, name]
            row = _find(self._state.table("Datapath"), {"network": network, "name": name})
            if row is not None and not self._is_datapath(network, name):
                writer.delete("Datapath", row)

    def _is_datapath(self, network: str, name: str) -> bool:
        wanted = {"network": network, "name": name}
        tables = ("Logical_Switch", "Logical_Router")
        return any(_find(self._intent.table(table), wanted) is not None for table in tables)

    def _exists(self, path: tuple[str, str, str]) -> bool:
        """Whether something has this key: a workload's port, or a router's on either side."""
        network, datapath, name = path
        row = _find(self._intent.table("Logical_Port"), {"network": network, "name": name})
        if row is not None and row["switch"] == datapath:
            return True
        rows = (one for one in self._intent.table("Router_Port").rows.values() if one["name"] == name)
        return any(one["network"] == network and datapath in (one["switch"], one["router"]) for one in rows)

    def _lagging(self, names: Iterable[str]) -> set[str]:
        generations = {}
        for name in names:
            row = _find(self._intent.table("Network"), {"name": name})
            generations[name] = None if row is None else row["generation"]
        nodes = [row["applied"] for row in self._state.table("Node").rows.values() if not row["external"]]
        return {
            name
            for name, generation in generations.items()
            if any(name in one and (generation is None or one[name] < generation) for one in nodes)
        }


def _path_of(path: tuple[str, str, str]) -> dict[str, Any]:
    return {"network": path[0], "datapath": path[1], "port": path[2]}


def _find(rows: HasRows, values: Mapping[str, Any]) -> Row | None:
    """The row with these values, by the table's index where it has one for them."""
    schema, indexes = getattr(rows, "schema", None), getattr(rows, "indexes", None)
    for columns, index in zip(schema.indexes, indexes, strict=True) if schema and indexes else ():
        if set(columns) == values.keys():
            uuid = index.get(tuple(values[name] for name in columns))
            return None if uuid is None else rows.rows[uuid]
    return next(
        (row for row in rows.rows.values() if all(row[name] == value for name, value in values.items())), None
    )
