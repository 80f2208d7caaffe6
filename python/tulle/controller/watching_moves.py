"""Events of ports on their way: prepared, moving, drained nodes, and how each of these ends.

One for each listener: what began before somebody listens is not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tulle.ovsdb import Change
from tulle.store import Row, Source

Document = dict[str, Any]
PortName = tuple[str, str]
DRAIN: Final = "drain "


class Moves:
    """Remembers what is under way, and where ports are, which `state` says at first."""

    def __init__(self, state: Source) -> None:
        self._at = {(row["network"], row["port"]): row["node"] for row in state("Binding")}
        self._moving: dict[PortName, tuple[str, str]] = {}
        self._draining: dict[str, int] = {}

    def events(self, change: Change) -> Iterator[Document]:
        """What the change of a row means, in the present for what begins and in the past for what ends."""
        if change.table == "Logical_Port":
            yield from self._asked(change.old, change.new)
        elif change.table == "Change" and change.old is None and change.new is not None:
            yield from self._drain_began(change.new["what"])
        elif change.table == "Move":
            yield from self._prepared(change.old, change.new)
        elif change.table == "Binding":
            yield from self._bound(change.old, change.new)
        elif change.table == "Port_State" and change.new is not None:
            yield from _handed(change.old, change.new)

    def _asked(self, old: Row | None, new: Row | None) -> Iterator[Document]:
        row = new or old
        assert row is not None
        port = row["network"], row["name"]
        if new is None or new["node"] is None:
            yield from self._ended(port)
            return
        at = self._at.get(port)
        if old is None or old["node"] == new["node"]:
            return
        yield from self._ended(port)
        if at is not None and at != new["node"]:
            self._moving[port] = at, new["node"]
            yield {"event": "moving", **_named(port), "from": at, "node": new["node"]}

    def _drain_began(self, what: str) -> Iterator[Document]:
        if what.startswith(DRAIN):
            node = what.removeprefix(DRAIN)
            if node not in self._draining:
                yield {"event": "draining", "node": node}
            self._draining[node] = self._draining.get(node, 0) + 1

    def _prepared(self, old: Row | None, new: Row | None) -> Iterator[Document]:
        row = new or old
        assert row is not None
        port = row["network"], row["port"]
        if new is not None:
            if old is None or old["target"] != new["target"]:
                yield {"event": "prepared", **_named(port), "node": new["target"]}
            return
        event = "taken" if self._at.get(port) == row["target"] else "cancelled"
        yield {"event": event, **_named(port), "node": row["target"]}

    def _bound(self, old: Row | None, new: Row | None) -> Iterator[Document]:
        if new is None:
            self._at.pop((old["network"], old["port"]) if old is not None else ("", ""), None)
            return
        port = new["network"], new["port"]
        self._at[port] = new["node"]
        if port in self._moving and self._moving[port][1] == new["node"]:
            source = self._moving[port][0]
            yield {"event": "moved", **_named(port), "from": source, "node": new["node"]}
            yield from self._ended(port)

    def _ended(self, port: PortName) -> Iterator[Document]:
        """A port is on its way no more; the last one may end a drain."""
        source, _ = self._moving.pop(port, ("", ""))
        if source in self._draining and all(source != one for one, _ in self._moving.values()):
            del self._draining[source]
            left = sum(node == source for node in self._at.values())
            yield {"event": "drained", "node": source, "left": left}


def _handed(old: Row | None, new: Row) -> Iterator[Document]:
    """Only what goes wrong is told: connections are handed on several times."""
    if new["problem"] and (old is None or old["problem"] != new["problem"]):
        port = new["network"], new["port"]
        yield {"event": "connections stay", **_named(port), "node": new["target"], "problem": new["problem"]}


def _named(port: PortName) -> Document:
    return {"network": port[0], "port": port[1]}
