"""A controller's cores on databases in memory, without sockets; the network file is the example."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import iscoroutinefunction
from itertools import count
from pathlib import Path
from typing import Any

from tulle import store
from tulle.controller.intent import Intent
from tulle.controller.reaction import Reaction
from tulle.controller.stores import Embedded
from tulle.ovsdb import Database
from tulle.ovsdb.schema import load
from tulle.store import Writer
from tulle.values import Binding, Node

TEXT = (Path(__file__).parents[3] / "examples" / "two-tenants.yaml").read_text()
NODES = (
    Node("node1", "172.31.0.1", ("stt", "vxlan")),
    Node("node2", "172.31.0.2", ("stt", "vxlan")),
    Node("node3", "172.31.0.3", ("vxlan",)),
)


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits, as is so of all that the cores do with an embedded store."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    coroutine.close()
    raise AssertionError("it waits for something")


class Now:
    """An object whose coroutine methods are finished at once."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._wrapped, name)
        if not iscoroutinefunction(member):
            return member
        return lambda *args, **named: finish(member(*args, **named))


class Cores:
    """Intent and reaction over both databases; agents are played by writing what they would write."""

    def __init__(self) -> None:
        self.intent_database = Database(load("tulle"))
        self.state_database = Database(load("tulle_state"))
        self.state_store = Embedded(self.state_database)
        stores = Embedded(self.intent_database), self.state_store
        ticks = count()
        self.intent = Now(Intent(*stores, lambda: f"2026-01-01T00:00:{next(ticks):02}"))
        self.reaction = Reaction(*stores)
        self.reaction.start()
        for database in (self.intent_database, self.state_database):
            database.subscribe(lambda _changes: self.react())
        self.react()
        self.intent_rows = store.source(self.intent_database)
        self.state_rows = store.source(self.state_database)

    def react(self) -> None:
        """What the controller does soon after a commit."""
        if self.reaction.due.is_set():
            finish(self.reaction.catch_up())

    def write_state(self, fill: Callable[[Writer], None]) -> None:
        """One transaction of an agent."""
        writer = Writer(self.state_database.schema)
        fill(writer)
        self.state_database.transact(writer.operations)

    def register(self, *nodes: Node, applied: dict[str, int] | None = None) -> None:
        """The agents of these nodes register, and say what they have applied."""
        for node in nodes:
            self.write_state(lambda w, node=node: store.write_node(w, self.state_rows, node, applied or {}))

    def bind_all(self) -> None:
        """Every port is bound where it asks to be."""
        for name, stored in self.intent.networks().items():
            for port in stored.network.ports:
                if port.node is not None:
                    binding = Binding(name, port.name, port.node)
                    self.write_state(lambda w, one=binding: store.write_binding(w, self.state_rows, one, "t"))
