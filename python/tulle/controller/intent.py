"""What users change: each change is one transaction on `Tulle`, refused whole or durable when it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import wraps
from itertools import count
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from tulle import store
from tulle.control import next_version
from tulle.encap import EXCLUSIVE, encapsulations
from tulle.errors import Conflict, InvalidInput, NotFound
from tulle.logical import (
    Edit,
    Place,
    cloned,
    diff,
    edited,
    kept_members,
    order_problems,
    parse_file,
    problems,
    refuse_unsound,
    renamed,
)
from tulle.logical.spelling import nearest, valid_name
from tulle.ovsdb import OvsdbError
from tulle.store import Row, StoredNetwork, Writer
from tulle.values import Change, LabFile, LogicalPort, Network, Node

from .asked import ANYBODY, Applied, Asked, Pair
from .joining import refuse_shared_vlans
from .ledger import Ledger, refuse_automatic
from .stores import Store

Given = ParamSpec("Given")
Result = TypeVar("Result")


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
        self.turn = asyncio.Lock()
        self.rows = store.source(intent)
        self._networks = store.followed(intent)
        self.ledger = Ledger(intent, state, now)

    def networks(self) -> dict[str, StoredNetwork]:
        """All networks by name."""
        return self._networks.networks()

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
    async def apply(self, text: str, filename: str, asked: Asked = ANYBODY) -> Applied:
        """Make the networks of a file as the file says; networks that it does not name stay as they are."""
        document = self._parsed(text, filename)
        self._refuse_moved_kind(document.nodes)
        current = self.networks()
        pairs = [_pair(current.get(one.name), one) for one in document.networks]
        asked = msgspec.structs.replace(asked, expected={**document.generations, **asked.expected})
        return await self._change(pairs, asked, f"apply {filename}", declare=document.nodes)

    @_in_turn
    async def edit(self, name: str, edits: Iterable[Edit], asked: Asked = ANYBODY) -> Applied:
        """Put or remove a few members of a network; work is in proportion to the edits."""
        stored = self.network(name)
        self._refuse_stale(Pair(name, stored, None), asked)
        new = edited(stored.network, edits, store.canonical)
        refuse_unsound(stored.network, new, self.nodes(), self._networks.neighbours(name))
        return await self._change([Pair(name, stored, new)], asked, "change")

    @_in_turn
    async def bring_in(
        self,
        text: str,
        filename: str,
        name: str | None,
        places: Mapping[str, Place] | None,
        asked: Asked = ANYBODY,
    ) -> Applied:
        """Make a new network of a file's only one; `places` None leaves its ports where the file puts them."""
        document = self._parsed(text, filename, anywhere=places is not None)
        if len(document.networks) != 1:
            raise InvalidInput(f"one network was expected, {len(document.networks)} came", where=filename)
        network = document.networks[0]
        made = cloned(network, name or network.name, places) if places is not None else renamed(network, name)
        return await self._add(made, asked, f"import {filename}")

    @_in_turn
    async def clone(
        self, name: str, copy: str, places: Mapping[str, Place], at: str | None = None, asked: Asked = ANYBODY
    ) -> Applied:
        """Make a second network with the same inside; ports without a place are left unbound."""
        original = self.network(name).network if at is None else self.was(name, at)
        source = name if at is None else f"{name} at {at}"
        return await self._add(cloned(original, copy, places), asked, f"clone {source}")

    @_in_turn
    async def rename(self, name: str, new: str, asked: Asked = ANYBODY) -> Applied:
        """Give a network another name; its snapshots and its history go with it."""
        stored = self.network(name)
        self._refuse_taken(new)
        if self.ledger.knows(new):
            raise Conflict(f"snapshots or changes of a deleted network {new!r} are kept; take another name")
        self._refuse_stale(Pair(name, stored, None), asked)
        other = renamed(stored.network, new)
        generation = max(self._next_generation(name), self._next_generation(new))
        generations = {name: 0, new: generation + bool(self.ledger.changes(new))}
        pair = Pair(new, stored, other)
        applied = Applied(
            (Change("changed", new, name, new),), generations, None, (pair,), f"rename {new} {name}"
        )
        if asked.dry_run:
            return applied
        writer = self._writer(f"rename {name} to {new}")
        self._require(writer, (name,))
        store.delete_network(writer, self.rows, name)
        store.write_network(writer, self.rows, other, generations[new], self.ledger.numbers(name))
        self.ledger.add_rename(writer, stored, other, generations[new], asked)
        await self._commit(writer)
        return applied

    @_in_turn
    async def pause(self, name: str, paused: bool, asked: Asked = ANYBODY) -> Applied:
        """Stop all traffic of a network, or let it go on; everything else stays as it is."""
        stored = self.network(name)
        new = msgspec.structs.replace(stored.network, paused=paused)
        return await self._change([Pair(name, stored, new)], asked, "pause" if paused else "resume")

    @_in_turn
    async def delete(self, name: str, asked: Asked = ANYBODY) -> Applied:
        """Delete a network with all that is in it; an automatic snapshot allows to take that back."""
        self._refuse_unknown(name)
        pair = Pair(name, self.networks().get(name), None)
        return await self._change([pair], asked, "delete", automatic="delete")

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
    async def move(self, name: str, port: str, node: str, asked: Asked = ANYBODY) -> Applied:
        """Ask for a port to be at another node."""
        return await self._move(name, {port: node}, f"move {port} to {node}", asked)

    @_in_turn
    async def move_all(
        self, name: str, places: Mapping[str, str], what: str, asked: Asked = ANYBODY
    ) -> Applied:
        """The same for several ports of a network, in one transaction."""
        return await self._move(name, places, what, asked)

    async def _move(self, name: str, places: Mapping[str, str], what: str, asked: Asked) -> Applied:
        stored = self.network(name)
        ports, known = {one.name: one for one in stored.network.ports}, self.nodes()
        for port, node in places.items():
            if port not in ports:
                raise NotFound(f"no port {port!r} in network {name}{nearest(port, ports)}")
            if node not in known:
                raise NotFound(f"no node {node!r}{nearest(node, known)}")
            ports[port] = msgspec.structs.replace(ports[port], node=node)
        new = _with_ports(stored.network, ports.values())
        return await self._change([Pair(name, stored, new)], asked, what)

    @_in_turn
    async def prefer(self, name: str, encapsulations: tuple[str, ...], asked: Asked = ANYBODY) -> Applied:
        """Let a network be carried by the first of these that both nodes do; none: as the nodes prefer."""
        stored = self.network(name)
        _refuse_order(f"network {name}", encapsulations)
        new = msgspec.structs.replace(stored.network, encapsulations=encapsulations)
        what = f"prefer {', '.join(encapsulations) or 'what nodes prefer'}"
        return await self._change([Pair(name, stored, new)], asked, what)

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
    async def snapshot(self, network: str, name: str | None = None, asked: Asked = ANYBODY) -> Row:
        """Keep the network as it is now; without a name it is called `snapshot-N`."""
        stored = self.network(network)
        taken = {row["name"] for row in self.ledger.snapshots(network)}
        name = name or next(free for number in count(1) if (free := f"snapshot-{number}") not in taken)
        if not valid_name(name) or name.isdigit():
            raise InvalidInput(
                f"snapshot: a name of 1 to 63 of a-z, 0-9 and dash, not a number alone, was expected, {name!r} came"
            )
        refuse_automatic(name)
        if name in taken:
            raise Conflict(f"network {network} has a snapshot {name!r} already")
        writer = self._writer(f"snapshot {network} as {name}")
        row = self.ledger.add_snapshot(writer, stored, name, asked)
        if not asked.dry_run:
            await self._commit(writer)
        return row

    def snapshots(self, network: str) -> list[Row]:
        """The snapshots of a network, oldest first; they stay when the network is deleted."""
        found = self.ledger.snapshots(network)
        if not found:
            self._refuse_unknown(network)
        return found

    def history(self, network: str) -> list[Row]:
        """The changes of a network, oldest first; they stay when the network is deleted."""
        found = self.ledger.history(network)
        if not found:
            self._refuse_unknown(network)
        return found

    def was(self, network: str, at: str) -> Network:
        """The network of a snapshot, or as it was after a change."""
        if not self.ledger.knows(network):
            self._refuse_unknown(network)
        return self.ledger.was(network, at)

    def diff(self, network: str, old: str, new: str | None = None) -> tuple[Change, ...]:
        """What changed from a snapshot, or from after a change, to another one, or to now."""
        before = self.was(network, old)
        if new is not None:
            return diff(before, self.was(network, new))
        stored = self.networks().get(network)
        return diff(before, stored.network if stored else None)

    def diff_file(self, network: str, text: str, filename: str) -> tuple[Change, ...]:
        """What applying a file would change in one network: from now to the file."""
        found = {one.name: one for one in self._parsed(text, filename).networks}
        if network not in found:
            raise NotFound(f"no network {network!r} in {filename}{nearest(network, found)}")
        stored = self.networks().get(network)
        return diff(stored.network if stored else None, store.canonical(found[network]))

    @_in_turn
    async def rollback(self, network: str, to: str, asked: Asked = ANYBODY) -> Applied:
        """Put the network of a snapshot or a change in place of the present one, which an automatic snapshot keeps."""
        kept = self.was(network, to)
        numbers = self.ledger.numbers_kept(network, to)
        self._refuse_unknown_nodes(kept)
        pair = _pair(self.networks().get(network), kept)
        if asked.atomic is None:
            asked = msgspec.structs.replace(asked, atomic=True)
        return await self._change([pair], asked, f"roll back to {to}", automatic="rollback", numbers=numbers)

    @_in_turn
    async def delete_snapshot(self, network: str, name: str) -> None:
        """Forget a snapshot."""
        self.snapshots(network)
        writer = self._writer(f"delete snapshot {network} {name}")
        writer.delete("Snapshot", self.ledger.snapshot(network, name))
        await self._commit(writer)

    async def _add(self, network: Network, asked: Asked, what: str) -> Applied:
        self._refuse_taken(network.name)
        self._refuse_unknown_nodes(network)
        pair = Pair(network.name, None, store.canonical(network))
        return await self._change([pair], asked, what)

    async def _change(
        self,
        pairs: Iterable[Pair],
        asked: Asked,
        what: str,
        *,
        automatic: str | None = None,
        numbers: Mapping[str, int] | None = None,
        declare: Iterable[Node] | None = None,
    ) -> Applied:
        """One transaction: the networks as in `pairs`, an entry of history for each, an automatic snapshot."""
        every = tuple(pairs)
        different = tuple(one for one in every if one.new is None or one.before != one.new)
        for one in different:
            self._refuse_stale(one, asked)
        known = (one.network for one in self.networks().values())
        refuse_shared_vlans(known, ((one.before, one.new) for one in different))
        raised = {one.name: self._next_generation(one.name) for one in different}
        generations = {
            one.name: 0 if one.new is None else raised.get(one.name) or one.generation for one in every
        }
        found = tuple(change for one in every for change in one.changes)
        applied = Applied(found, generations, None, different, _undo(different))
        if asked.dry_run or not (different or declare):
            return applied
        writer = self._writer(f"{what} ({', '.join(raised)})")
        self._require(writer, raised)
        if declare is not None:
            store.write_declared_nodes(writer, self.rows, declare)
        kept = None
        for one in different:
            if automatic is not None and one.old is not None:
                kept = self.ledger.add_automatic(writer, automatic, one.old, asked)
            self._write(writer, one, raised[one.name], numbers, asked)
            self.ledger.add_change(writer, one, raised[one.name], asked, what)
        for one in different:
            if one.new is not None:
                self._networks.expect(one.new)
        await self._commit(writer)
        return msgspec.structs.replace(applied, kept=kept)

    def _write(
        self,
        writer: Writer,
        pair: Pair,
        generation: int,
        numbers: Mapping[str, int] | None,
        asked: Asked,
    ) -> None:
        if pair.new is None:
            store.delete_network(writer, self.rows, pair.name)
            return
        version = next_version(pair.old.version) if asked.atomic and pair.old is not None else None
        if pair.before is not None:
            database, before = self._database, pair.before
            store.write_changed_network(writer, database, before, pair.new, generation, numbers, version)
        else:
            store.write_network(writer, self.rows, pair.new, generation, numbers, version)

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
        seen = [generations.get(name, 0) for generations in store.applied(self._state).values()]
        return max(self.ledger.last_generation(name), *seen, 0) + 1

    def _parsed(self, text: str, filename: str, *, anywhere: bool = False) -> LabFile:
        nodes = None if anywhere else sorted(self.nodes())
        known = {name: one.network for name, one in self.networks().items()}
        return parse_file(text, filename, nodes, sorted(encapsulations()), EXCLUSIVE, known)

    def _refuse_stale(self, pair: Pair, asked: Asked) -> None:
        """Conflict when the network is not as who asks believes it to be; nothing is merged."""
        present = 0 if pair.old is None else pair.old.generation
        expected = asked.expected.get(pair.name, present)
        if expected == present:
            return
        if expected == 0:
            raise Conflict(f"network {pair.name} exists already", code="exists")
        is_now = f"is at generation {present}" if present else "does not exist"
        since = self.ledger.told_since(pair.name, expected)
        anew = "export it and change that, or leave `generation` out of the file to overwrite what is there"
        hint = anew if present else "leave `generation` out of the file to make it, or import the file"
        raise Conflict(
            f"network {pair.name} {is_now}, the change builds upon generation {expected}; nothing was changed.\n"
            f"  Since then:\n{since or '  nothing that is known here'}\n  {hint}",
            code="changed-meanwhile",
        )

    def _refuse_taken(self, name: str) -> None:
        if not valid_name(name):
            raise InvalidInput(f"network: a name of 1 to 63 of a-z, 0-9 and dash was expected, {name!r} came")
        if any(row["name"] == name for row in self.rows("Network")):
            raise Conflict(f"network {name} exists already", code="exists")

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

    def _require(self, writer: Writer, names: Iterable[str]) -> None:
        """Nobody may have changed these networks past this controller; it sees them as of a moment ago."""
        for row in self.rows("Network"):
            if row["name"] in names:
                writer.require("Network", row, ("generation",))

    async def _commit(self, writer: Writer) -> None:
        try:
            await self._database.transact(writer.operations)
        except OvsdbError as error:
            if error.error != "timed out":
                raise
            raise Conflict(
                "somebody changed the network at this moment; nothing was changed, try again",
                code="changed-meanwhile",
            ) from None


def _pair(stored: StoredNetwork | None, wanted: Network) -> Pair:
    """The stored network and a wanted one, whose members are the stored ones where they are equal."""
    before = None if stored is None else stored.network
    return Pair(wanted.name, stored, kept_members(before, store.canonical(wanted)))


def _refuse_order(what: str, wanted: tuple[str, ...], exclusive: frozenset[str] = frozenset()) -> None:
    found = list(order_problems(wanted, sorted(encapsulations())))
    if len(both := sorted(exclusive.intersection(wanted))) > 1:
        found.append(f"one of {' and '.join(both)} was expected, both came")
    if found:
        raise InvalidInput("\n".join(f"{what}: {one}" for one in found))


def _with_ports(network: Network, ports: Iterable[LogicalPort]) -> Network:
    return msgspec.structs.replace(network, ports=tuple(ports))


def _undo(pairs: tuple[Pair, ...]) -> str | None:
    """What takes a change of one network back, as words after `tulle network`."""
    if len(pairs) != 1:
        return None
    pair = pairs[0]
    return f"delete {pair.name}" if pair.old is None else f"rollback {pair.name} --to {pair.old.generation}"
