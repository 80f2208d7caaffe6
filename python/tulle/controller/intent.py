"""What users change: each change is one transaction on `Tulle`, refused whole or durable when it returns."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from functools import wraps
from itertools import count
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import msgspec
import orjson

from tulle import store
from tulle.encap import EXCLUSIVE, encapsulations
from tulle.errors import Conflict, InvalidInput, NotFound
from tulle.logical import changes, diff, document_of, network_of, order_problems, parse_file, problems
from tulle.logical.rules import valid_name
from tulle.logical.spelling import nearest
from tulle.store import Row, StoredNetwork, Writer
from tulle.values import Change, LogicalPort, Network, Node

from .stores import Store

AUTOMATIC: Final = re.compile(r"before-(rollback|delete)-\d+")
AUTOMATIC_KEPT: Final = 10
Given = ParamSpec("Given")
Result = TypeVar("Result")


class Applied(msgspec.Struct, frozen=True):
    """What a change did: the differences, and the generation that each network it names has now.

    A network that is gone has generation 0.  `kept` is the automatic snapshot that undoes the change.
    """

    changes: tuple[Change, ...]
    generations: dict[str, int]
    kept: str | None = None


def _in_turn(
    change: Callable[Concatenate[Intent, Given], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Intent, Given], Coroutine[Any, Any, Result]]:
    """A method that waits until no other change is under way."""

    @wraps(change)
    async def wait_and_change(self: Intent, /, *args: Given.args, **named: Given.kwargs) -> Result:
        async with self.turn:
            return await change(self, *args, **named)

    return wait_and_change


class Intent:
    """The database `Tulle` as users change it; `now` gives the time as ISO 8601 text, for snapshots.

    Changes wait for one another, so that each is planned on what the one before left.
    """

    def __init__(self, intent: Store, state: Store, now: Callable[[], str]) -> None:
        self._database = intent
        self._state_database = state
        self._state = store.source(state)
        self._now = now
        self.turn = asyncio.Lock()
        self.rows = store.source(intent)

    def networks(self) -> dict[str, StoredNetwork]:
        """All networks by name."""
        return store.networks(self.rows)

    def network(self, name: str) -> StoredNetwork:
        """A network; NotFound names the nearest one."""
        known = self.networks()
        if name not in known:
            raise NotFound(f"no network {name!r}{nearest(name, known)}")
        return known[name]

    def nodes(self) -> dict[str, Node]:
        """The nodes that a port may ask for: declared ones, and those whose agent registered."""
        return store.declared_nodes(self.rows) | store.nodes(self._state)

    @_in_turn
    async def apply(self, text: str, filename: str, *, dry_run: bool = False) -> Applied:
        """Make the networks of a file as the file says; networks that it does not name stay as they are."""
        nodes = sorted(self.nodes())
        document = parse_file(text, filename, nodes, sorted(encapsulations()), EXCLUSIVE)
        current = self.networks()
        desired = {network.name: store.canonical(network) for network in document.networks}
        self._refuse_moved_kind(document.nodes)
        present = {name: stored.network for name, stored in current.items()}
        found = changes(present.values(), desired.values())
        different = {name: network for name, network in desired.items() if present.get(name) != network}
        generations = {
            name: self._next_generation(name) if name in different else current[name].generation
            for name in desired
        }
        if dry_run:
            return Applied(found, generations)
        writer = self._writer(f"apply {filename}")
        store.write_declared_nodes(writer, self.rows, document.nodes)
        for name, network in different.items():
            store.write_network(writer, self.rows, network, generations[name])
        await self._commit(writer)
        return Applied(found, generations)

    @_in_turn
    async def delete(self, name: str) -> Applied:
        """Delete a network with all that is in it; an automatic snapshot allows to take that back."""
        self._refuse_unknown(name)
        stored = self.networks().get(name)
        writer = self._writer(f"delete network {name}")
        kept = self._add_automatic(writer, "delete", stored) if stored is not None else None
        store.delete_network(writer, self.rows, name)
        await self._commit(writer)
        return Applied(diff(stored.network if stored else None, None), {name: 0}, kept)

    @_in_turn
    async def forget_node(self, name: str) -> None:
        """Remove a node that will not come back; Conflict while a port asks for it."""
        known = self.nodes()
        if name not in known:
            raise NotFound(f"no node {name!r}{nearest(name, known)}")
        asking = [
            f"{network}/{port.name}"
            for network, stored in self.networks().items()
            for port in stored.network.ports
            if port.node == name
        ]
        if asking:
            raise Conflict(f"node {name} has ports: {', '.join(asking[:10])}; move or delete them first")
        for database, rows in ((self._database, self.rows), (self._state_database, self._state)):
            writer = Writer(database.schema)
            for row in [row for row in rows("Node") if row["name"] == name]:
                writer.delete("Node", row)
            if writer.operations:
                await database.transact(writer.operations)

    @_in_turn
    async def move(self, name: str, port: str, node: str) -> Applied:
        """Ask for a port to be at another node."""
        stored = self.network(name)
        ports = {one.name: one for one in stored.network.ports}
        if port not in ports:
            raise NotFound(f"no port {port!r} in network {name}{nearest(port, ports)}")
        known = self.nodes()
        if node not in known:
            raise NotFound(f"no node {node!r}{nearest(node, known)}")
        ports[port] = msgspec.structs.replace(ports[port], node=node)
        return await self._replace(stored, _with_ports(stored.network, ports.values()), f"move {name}/{port}")

    @_in_turn
    async def prefer(self, name: str, encapsulations: tuple[str, ...]) -> Applied:
        """Let a network be carried by the first of these that both nodes do; none: as the nodes prefer."""
        stored = self.network(name)
        _refuse_order(f"network {name}", encapsulations)
        new = msgspec.structs.replace(stored.network, encapsulations=encapsulations)
        return await self._replace(stored, new, f"encapsulations of network {name}")

    @_in_turn
    async def prefer_at(self, name: str, encapsulations: tuple[str, ...]) -> Applied:
        """Let a node use these, in this order, as far as it is able to; none: as its agent says.

        The answer names the networks with a port there.
        """
        known = self.nodes()
        if name not in known:
            raise NotFound(f"no node {name!r}{nearest(name, known)}")
        _refuse_order(f"node {name}", encapsulations, EXCLUSIVE)
        declared = store.declared_nodes(self.rows).get(name)
        if not encapsulations and (known[name].external or name not in store.nodes(self._state)):
            raise InvalidInput(
                f"node {name}: it has no agent to say what it speaks; encapsulations were expected"
            )
        node = msgspec.structs.replace(declared or known[name], encapsulations=encapsulations)
        writer = self._writer(f"encapsulations of node {name}")
        store.write_declared_nodes(writer, self.rows, [node])
        await self._commit(writer)
        before = declared.encapsulations if declared is not None else ()
        change = Change("changed", f"nodes/{name}/encapsulations", list(before), list(encapsulations))
        return Applied((change,) if before != encapsulations else (), self._generations_at(name))

    @_in_turn
    async def snapshot(self, network: str, name: str | None = None) -> Row:
        """Keep the network as it is now; without a name it is called `snapshot-N`."""
        stored = self.network(network)
        taken = {row["name"] for row in self.snapshots(network)}
        name = name or next(free for number in count(1) if (free := f"snapshot-{number}") not in taken)
        if not valid_name(name):
            raise InvalidInput(
                f"snapshot: a name of 1 to 63 of a-z, 0-9 and dash was expected, {name!r} came"
            )
        if name in taken:
            raise Conflict(f"network {network} has a snapshot {name!r} already")
        writer = self._writer(f"snapshot {network} as {name}")
        row = self._snapshot_row(stored, name)
        writer.insert("Snapshot", row)
        await self._commit(writer)
        return row

    def snapshots(self, network: str) -> list[Row]:
        """The snapshots of a network, oldest first; they stay when the network is deleted."""
        found = [row for row in self.rows("Snapshot") if row["network"] == network]
        if not found:
            self._refuse_unknown(network)
        return sorted(found, key=lambda row: (row["created"], row["name"]))

    def diff(self, network: str, old: str, new: str | None = None) -> tuple[Change, ...]:
        """What changed from a snapshot to another one, or to now."""
        if new is not None:
            return diff(self._kept(network, old), self._kept(network, new))
        stored = self.networks().get(network)
        return diff(self._kept(network, old), stored.network if stored else None)

    @_in_turn
    async def rollback(self, network: str, snapshot: str) -> Applied:
        """Put the network of a snapshot in place of the present one, which an automatic snapshot keeps."""
        kept = store.canonical(self._kept(network, snapshot))
        self._refuse_unknown_nodes(kept)
        current = self.networks()
        comment = f"roll {network} back to {snapshot}"
        return await self._replace(current.get(network), kept, comment, automatic=True)

    @_in_turn
    async def delete_snapshot(self, network: str, name: str) -> None:
        """Forget a snapshot."""
        writer = self._writer(f"delete snapshot {network} {name}")
        writer.delete("Snapshot", self._snapshot(network, name))
        await self._commit(writer)

    async def _replace(
        self, old: StoredNetwork | None, new: Network, comment: str, *, automatic: bool = False
    ) -> Applied:
        found = diff(old.network if old else None, new)
        if old is not None and not found:
            return Applied((), {new.name: old.generation})
        generation = self._next_generation(new.name)
        writer = self._writer(comment)
        kept = self._add_automatic(writer, "rollback", old) if automatic and old is not None else None
        store.write_network(writer, self.rows, new, generation)
        await self._commit(writer)
        return Applied(found, {new.name: generation}, kept)

    def _generations_at(self, node: str) -> dict[str, int]:
        """The networks with a port that asks for a node or is there."""
        there = {one.network for one in store.bindings(self._state) if one.node == node}
        return {
            name: stored.generation
            for name, stored in self.networks().items()
            if name in there or any(port.node == node for port in stored.network.ports)
        }

    def _next_generation(self, name: str) -> int:
        """One more than ever: agents may still report the last generation of a network that was deleted."""
        for row in self.rows("Network"):
            if row["name"] == name:
                return int(row["generation"]) + 1
        seen = [row["generation"] for row in self.rows("Snapshot") if row["network"] == name]
        seen += [generations.get(name, 0) for generations in store.applied(self._state).values()]
        return max(seen, default=0) + 1

    def _add_automatic(self, writer: Writer, reason: str, stored: StoredNetwork) -> str:
        network = stored.network.name
        own = [row for row in self.rows("Snapshot") if row["network"] == network]
        name = f"before-{reason}-{stored.generation}"
        automatic = [row for row in own if AUTOMATIC.fullmatch(row["name"])]
        surplus = sorted(automatic, key=lambda row: int(row["generation"]))[: -(AUTOMATIC_KEPT - 1)]
        for row in (*surplus, *(row for row in own if row["name"] == name and row not in surplus)):
            writer.delete("Snapshot", row)
        writer.insert("Snapshot", self._snapshot_row(stored, name))
        return name

    def _snapshot_row(self, stored: StoredNetwork, name: str) -> dict[str, Any]:
        document = orjson.dumps(document_of(stored.network), option=orjson.OPT_SORT_KEYS)
        return {
            "network": stored.network.name,
            "name": name,
            "created": self._now(),
            "generation": stored.generation,
            "document": document.decode(),
        }

    def _snapshot(self, network: str, name: str) -> Row:
        found = {row["name"]: row for row in self.snapshots(network)}
        if name not in found:
            raise NotFound(f"no snapshot {name!r} of network {network}{nearest(name, found)}")
        return found[name]

    def _kept(self, network: str, name: str) -> Network:
        try:
            return network_of(orjson.loads(self._snapshot(network, name)["document"]))
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"snapshot {name} of network {network} is no JSON: {error}") from None

    def _refuse_unknown(self, network: str) -> None:
        if not any(row["name"] == network for row in self.rows("Network")):
            raise NotFound(f"no network {network!r}{nearest(network, self.networks())}")

    def _refuse_unknown_nodes(self, network: Network) -> None:
        found = problems(network, sorted(self.nodes()))
        if found:
            raise Conflict("\n".join(f"network {network.name}: {one.message}" for one in found[:20]))

    def _refuse_moved_kind(self, nodes: Iterable[Node]) -> None:
        registered = {name: node for name, node in store.nodes(self._state).items() if not node.external}
        for node in nodes:
            if node.external and node.name in registered:
                raise Conflict(f"node {node.name} is declared external, but an agent has registered it")

    def _writer(self, comment: str) -> Writer:
        writer = Writer(self._database.schema)
        writer.comment(comment)
        return writer

    async def _commit(self, writer: Writer) -> None:
        await self._database.transact(writer.operations)


def _refuse_order(what: str, wanted: tuple[str, ...], exclusive: frozenset[str] = frozenset()) -> None:
    found = list(order_problems(wanted, sorted(encapsulations())))
    if len(both := sorted(exclusive.intersection(wanted))) > 1:
        found.append(f"one of {' and '.join(both)} was expected, both came")
    if found:
        raise InvalidInput("\n".join(f"{what}: {one}" for one in found))


def _with_ports(network: Network, ports: Iterable[LogicalPort]) -> Network:
    return msgspec.structs.replace(network, ports=tuple(ports))
