"""What follows from intent and nodes: numbers, tunnels, external nodes and their bindings.

`react` gives the operations on `Tulle_State`; when they are done it gives none.  So running it at start
mends what a crash between the two databases left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from tulle import store
from tulle.control import advance, allocate
from tulle.control.allocate import datapath_names, port_names
from tulle.errors import TulleError
from tulle.ovsdb import Change
from tulle.store import Source, Writer, layer2
from tulle.values import Binding, Network, Node

from .choice import choose_all
from .former import is_held_aside, left, set_aside
from .stores import Store
from .swift import Swift

_logger = structlog.get_logger(__name__)
RETRY_S = 0.5
_NODE_COLUMNS = ("name", "address", "encapsulations", "external")


class Reaction:
    """Keeps `Tulle_State` as `Tulle` and the nodes demand, commit by commit."""

    def __init__(self, intent: Store, state: Store) -> None:
        self._intent = intent
        self._state = state
        self._ends: list[Callable[[], None]] = []
        self._swift = Swift(intent, state)
        self._is_whole_due = True
        self._holding = False
        self._moving = False
        self.due = asyncio.Event()

    def start(self) -> None:
        """Notice from now on when there is something to do; the first time is at once."""
        self._is_whole_due = True
        self.due.set()
        self._ends = [self._intent.subscribe(self._note_intent), self._state.subscribe(self._note_state)]

    def stop(self) -> None:
        """Notice nothing any more."""
        for end in self._ends:
            end()
        self._ends = []

    async def run(self) -> None:
        """Catch up whenever something is due."""
        while True:
            await self.due.wait()
            # Who waits for what has just been applied hears of it before what follows from it is done.
            await asyncio.sleep(0)
            if not await self.catch_up():
                await asyncio.sleep(RETRY_S)

    async def catch_up(self) -> bool:
        """Do what is due; False when it has to be tried again."""
        self.due.clear()
        writer = Writer(self._state.schema)
        try:
            self._react(writer)
            if writer.operations:
                await self._state.transact(writer.operations)
            return True
        except (TulleError, OSError) as error:
            _logger.error("cannot bring the state up to date", error=str(error))
        except Exception:
            # A client's rows may be stranger than foreseen; that client's connection is not to blame.
            _logger.exception("cannot bring the state up to date")
        self._is_whole_due = True
        self.due.set()
        return False

    def _react(self, writer: Writer) -> None:
        """As a whole where that is due, else only for the ports that have changed."""
        whole, self._is_whole_due = self._is_whole_due, False
        if not whole and self._swift.write(writer):
            return
        del writer.operations[:]
        self._swift.forget()
        networks = store.followed(self._intent)
        self._holding = react(store.source(self._intent), store.source(self._state), writer, networks)
        self._moving = _moves(store.source(self._state), writer)

    def _note_intent(self, changes: list[Change]) -> None:
        for change in sorted(changes, key=lambda one: one.new is not None):
            if _matters(change):
                self._is_whole_due |= not self._swift.note(change)
                self.due.set()

    def _note_state(self, changes: list[Change]) -> None:
        for change in changes:
            releases = _releases(change)
            if (
                _matters(change)
                or (change.table == "Tunnel_End" and self._moving)
                or (releases and self._holding)
            ):
                self._is_whole_due = True
                self.due.set()
            elif releases and self._swift.is_holding:
                self.due.set()


def react(intent: Source, state: Source, writer: Writer, followed: store.Networks | None = None) -> bool:
    """Operations that make the state follow from the intent and the nodes; `followed` has the networks if there.

    True when numbers of what is gone are held back, since a node may still use them.
    """
    broken: list[str] = []

    def note(name: str, error: Exception) -> None:
        _note(broken, name, error)

    stored = store.networks(intent, note) if followed is None else followed.networks(note)
    networks = [one.network for one in stored.values()]
    external = {name: node for name, node in store.declared_nodes(intent).items() if node.external}
    store.write_external_nodes(writer, state, external.values())
    _change_tunnels(writer, intent, state, external)
    _bind_external(writer, state, networks, external, broken)
    layer2.delete_strays(writer, state, {*stored, *broken}, store.nodes(state))
    applied = list(store.applied(state).values())
    current = set_aside(store.ids(state), stored.keys(), left(intent), applied)
    held = {*broken, *_lagging(state, {name: one.generation for name, one in stored.items()})}
    every = (*current.datapaths, *current.ports)
    kept = {name for name in every if name.split("/")[0] in held or is_held_aside(name, applied)}
    routers = _routers(networks) | _known_routers(state)
    store.write_ids(writer, state, allocate(networks, current, kept, store.preferred(intent)), routers)
    return bool(kept.difference(_wanted(networks)))


def _note(broken: list[str], name: str, error: Exception) -> None:
    _logger.warning("a network makes no sense; its numbers are kept", network=name, error=str(error))
    broken.append(name)


def _change_tunnels(writer: Writer, intent: Source, state: Source, external: dict[str, Node]) -> None:
    """The next step from the tunnels that there are to those that are chosen."""
    nodes = external | {name: node for name, node in store.nodes(state).items() if not node.external}
    ends = store.tunnel_ends(state)
    chosen, mute = choose_all(intent, nodes), store.mute_nodes(state)
    next_ones = advance(store.tunnels(state), chosen, ends, nodes, mute)
    store.write_tunnels(writer, state, next_ones)
    store.delete_tunnel_ends(writer, state, nodes)


def _bind_external(
    writer: Writer, state: Source, networks: Iterable[Network], external: dict[str, Node], broken: list[str]
) -> None:
    """Nobody else binds the ports of external nodes, or unbinds ports that are gone."""
    wanted = {(network.name, port.name): port.node for network in networks for port in network.ports}
    for row in list(state("Binding")):
        if (row["network"], row["port"]) not in wanted and row["network"] not in broken:
            writer.delete("Binding", row)
    for (network, port), node in wanted.items():
        if node in external:
            store.write_binding(writer, state, Binding(network, port, node), "")


def _lagging(state: Source, generations: Mapping[str, int]) -> set[str]:
    """Networks of which a node has an old generation, or which are deleted: what has gone from them
    may live on there, and its numbers may not go to another tenant or port yet."""
    return {
        name
        for applied in store.applied(state).values()
        for name, generation in applied.items()
        if generation < generations.get(name, generation + 1)
    }


def _wanted(networks: Iterable[Network]) -> set[str]:
    return {name for network in networks for name in (*datapath_names(network), *port_names(network))}


def _routers(networks: Iterable[Network]) -> set[str]:
    return {f"{network.name}/{router.name}" for network in networks for router in network.routers}


_NUMBERED = frozenset(
    {"Network", "Logical_Switch", "Logical_Router", "Router_Port", "Logical_Port", "Chain", "Mirror"}
)
"""Tables of what has numbers, or decides who has."""


def _known_routers(state: Source) -> set[str]:
    return {f"{row['network']}/{row['name']}" for row in state("Datapath") if row["kind"] == "router"}


def _moves(state: Source, writer: Writer) -> bool:
    """Whether a tunnel is about to change, so that what its ends say matters."""
    changed = any(operation["table"] == "Tunnel" for operation in writer.operations)
    return changed or any(row["coming"] or row["leaving"] for row in state("Tunnel"))


def _matters(change: Change) -> bool:
    if change.table in _NUMBERED:
        return True
    if change.table != "Node" or change.old is None or change.new is None:
        return change.table == "Node"
    return any(change.old[name] != change.new[name] for name in _NODE_COLUMNS)


def _releases(change: Change) -> bool:
    """Whether a node has applied something, after which numbers may be free."""
    if change.table != "Node" or change.old is None or change.new is None:
        return False
    return bool(change.old["applied"] != change.new["applied"])
