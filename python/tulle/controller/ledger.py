"""What networks were: snapshots that users take, and every change with who, when and what.

Both keep the whole network as a document whose parts are shared, so each costs what has changed since the one before.
The ledger reads rows and adds operations to a transaction; it commits nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from tulle import store
from tulle.errors import Conflict, InvalidInput, NotFound
from tulle.logical import network_of
from tulle.logical.cutting import Cutter
from tulle.logical.spelling import nearest
from tulle.store import Row, StoredNetwork, Writer
from tulle.values import Network

from .asked import Asked, Pair, summary
from .stores import Store

AUTOMATIC: Final = re.compile(r"before-(rollback|delete)-\d+")
AUTOMATIC_KEPT: Final = 10
CHANGES_KEPT: Final = 10_000
TOLD_MAX: Final = 10
UNKNOWN: Final = "changed by others"
FREED: Final = "the name is free"


class Gone(msgspec.Struct, frozen=True):
    """A network that a change has deleted."""

    name: str
    generation: int


class Ledger:
    """Snapshots and changes; `now` gives the time as ISO 8601 text."""

    def __init__(self, intent: Store, state: Store, now: Callable[[], str]) -> None:
        self._intent = intent
        self._rows = store.source(intent)
        self._state = store.source(state)
        self._now = now
        self._cutters: dict[str, Cutter] = {}

    def snapshots(self, network: str) -> list[Row]:
        """The snapshots of a network, oldest first."""
        found = [row for row in self._rows("Snapshot") if row["network"] == network]
        return sorted(found, key=lambda row: (row["created"], row["name"]))

    def changes(self, network: str) -> list[Row]:
        """The changes of a network, oldest first."""
        found = [row for row in self._rows("Change") if row["network"] == network]
        return sorted(found, key=lambda row: int(row["generation"]))

    def history(self, network: str) -> list[Row]:
        """The changes of a network, oldest first; that others left its name is told where nothing else is."""
        found = self.changes(network)
        return [row for row in found if not _is_freed(row)] or found

    def knows(self, network: str) -> bool:
        """Whether something of a network is kept, though it may be gone; that it was renamed is not enough."""
        kept = (row for table in ("Snapshot", "Change") for row in self._rows(table))
        return any(row["network"] == network and not _is_freed(row) for row in kept)

    def last_generation(self, network: str) -> int:
        """The highest generation that the network ever had here."""
        tables = ("Snapshot", "Change")
        return max(
            (row["generation"] for table in tables for row in self._rows(table) if row["network"] == network),
            default=0,
        )

    def snapshot(self, network: str, name: str) -> Row:
        """One snapshot; NotFound names the nearest."""
        found = {row["name"]: row for row in self.snapshots(network)}
        if name not in found:
            raise NotFound(f"no snapshot {name!r} of network {network}{nearest(name, found)}")
        return found[name]

    def change(self, network: str, generation: int) -> Row:
        """One change; NotFound says which there are."""
        found = {row["generation"]: row for row in self.changes(network)}
        if generation not in found:
            there = f"; there are {min(found)} to {max(found)}" if found else ""
            raise NotFound(f"no change {generation} of network {network}{there}")
        return found[generation]

    def was(self, network: str, at: str) -> Network:
        """The network of a snapshot's name, or as it was after the change of a number."""
        row = self._row(network, at)
        return network_of({**self._document(row, f"{at} of network {network}"), "name": network})

    def numbers_kept(self, network: str, at: str) -> dict[str, int] | None:
        """The numbers that a snapshot keeps; None where none are kept, as with changes."""
        numbers = self._document(self._row(network, at), f"{at} of network {network}").get("numbers")
        return None if numbers is None else {one["name"]: one["number"] for one in numbers}

    def add_change(
        self,
        writer: Writer,
        pair: Pair,
        generation: int,
        asked: Asked,
        what: str,
        was: str | None = None,
    ) -> None:
        """Operations that note a change; the oldest ones beyond a bound are forgotten.

        `was`: the name that the network has in the rows so far.
        """
        known = self.changes(was or pair.name)
        for row in known[: -(CHANGES_KEPT - 1)] if was is None else ():
            writer.delete("Change", row)
        if pair.old is not None and not any(row["generation"] == pair.old.generation for row in known):
            # Another client or an earlier release made it so; one can roll back to it all the same.
            self._insert_change(writer, pair.old, Asked(), UNKNOWN, "")
        new = None if pair.new is None else StoredNetwork(pair.new, generation)
        said = summary(pair.changes)
        self._insert_change(writer, new or Gone(pair.name, generation), asked, what, said)

    def add_snapshot(self, writer: Writer, stored: StoredNetwork, name: str, asked: Asked) -> dict[str, Any]:
        """Operations that keep a network, with its numbers, under a name."""
        network = stored.network.name
        numbers = self.numbers(network)
        members = [{"name": one, "number": number} for one, number in sorted(numbers.items())]
        row = {
            "network": network,
            "name": name,
            "created": self._now(),
            "by": asked.by,
            "message": asked.message,
            "generation": stored.generation,
            "content": self._write(writer, stored.network, {"numbers": members}),
        }
        writer.insert("Snapshot", row)
        return row

    def add_automatic(self, writer: Writer, reason: str, stored: StoredNetwork, asked: Asked) -> str:
        """Operations that keep a network before something happens to it; the oldest such go.  Its name."""
        own = self.snapshots(stored.network.name)
        name = f"before-{reason}-{stored.generation}"
        automatic = [row for row in own if AUTOMATIC.fullmatch(row["name"])]
        surplus = sorted(automatic, key=lambda row: int(row["generation"]))[: -(AUTOMATIC_KEPT - 1)]
        for row in (*surplus, *(row for row in own if row["name"] == name and row not in surplus)):
            writer.delete("Snapshot", row)
        self.add_snapshot(writer, stored, name, asked)
        return name

    def add_rename(
        self, writer: Writer, stored: StoredNetwork, new: Network, generation: int, asked: Asked
    ) -> None:
        """Operations that give all that is kept of a network to another name, and note that at both.

        A name that was freed before says so anew, just before `generation`: the rows that come may have its number.
        """
        old = stored.network.name
        freed = self.changes(new.name)
        for row in freed:
            writer.delete("Change", row)
        if freed:
            self._insert_change(writer, Gone(new.name, generation - 1), asked, freed[-1]["what"], FREED)
        known = [(table, row) for table in ("Snapshot", "Change") for row in self._rows(table)]
        for table, row in [(table, row) for table, row in known if row["network"] == old]:
            columns = self._intent.schema.table(table).columns
            writer.delete(table, row)
            writer.insert(table, {**{name: row[name] for name in columns}, "network": new.name})
        same = StoredNetwork(new, stored.generation)
        self.add_change(writer, Pair(new.name, same, new), generation, asked, f"rename {old}", old)
        gone = Gone(old, stored.generation + 1)
        self._insert_change(writer, gone, asked, f"rename to {new.name}", FREED)

    def numbers(self, network: str) -> dict[str, int]:
        """The numbers that a network has, by names within it."""
        ids, prefix = store.ids(self._state), f"{network}/"
        every = {**ids.datapaths, **ids.ports}
        return {
            name.removeprefix(prefix): number for name, number in every.items() if name.startswith(prefix)
        }

    def told_since(self, network: str, generation: int) -> str:
        """Lines about the changes after a generation, for who did not expect them."""
        lines = [_line(row) for row in self.changes(network) if row["generation"] > generation]
        more = [f"  and {len(lines) - TOLD_MAX} more before"] if len(lines) > TOLD_MAX else []
        return "\n".join([*more, *lines[-TOLD_MAX:]])

    def _write(self, writer: Writer, network: Network, more: dict[str, Any]) -> Any:
        cutter = self._cutters.setdefault(network.name, Cutter())
        return store.write_network_document(writer, self._intent.table("Part").rows, cutter, network, more)

    def _row(self, network: str, at: str) -> Row:
        if not (at.isascii() and at.isdigit()) or at in {row["name"] for row in self.snapshots(network)}:
            return self.snapshot(network, at)
        row = self.change(network, int(at))
        if not row["content"]:
            raise Conflict(f"change {at} deleted network {network}; take another one")
        return row

    def _insert_change(
        self, writer: Writer, made: StoredNetwork | Gone, asked: Asked, what: str, said: str
    ) -> None:
        name, content = (
            (made.name, None)
            if isinstance(made, Gone)
            else (made.network.name, self._write(writer, made.network, {}))
        )
        values = {
            "network": name,
            "generation": made.generation,
            "created": self._now(),
            "by": asked.by,
            "what": what,
            "message": asked.message,
            "summary": said,
            "content": content,
        }
        writer.insert("Change", values)

    def _document(self, row: Row, shown: str) -> dict[str, Any]:
        if row["content"]:
            return store.read_document(self._intent.table("Part").rows, row["content"])
        try:  # as releases before 0.2 wrote it
            document: dict[str, Any] = orjson.loads(row["document"])
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"{shown} is no JSON: {error}") from None
        return document


def refuse_automatic(name: str) -> None:
    """Automatic snapshots go by themselves: `InvalidInput` for a snapshot that is named like them."""
    if AUTOMATIC.fullmatch(name):
        raise InvalidInput(f"snapshot: {name!r} is a name for automatic snapshots, which go by themselves")


def _is_freed(row: Row) -> bool:
    """Whether a row says that a network has another name since."""
    return row.get("summary") == FREED


def _line(row: Row) -> str:
    said = f" ({row['message']})" if row["message"] else ""
    return (
        f"  {row['generation']}  {row['created']}  {row['by'] or '-'}: {row['what']}, {row['summary']}{said}"
    )
