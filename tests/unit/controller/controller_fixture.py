"""A controller's cores on databases in memory, without sockets; the network file is the example."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from tulle import store
from tulle.controller.intent import Intent
from tulle.controller.reaction import Reaction
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


class Cores:
    """Intent and reaction over both databases; agents are played by writing what they would write."""

    def __init__(self) -> None:
        self.intent_database = Database(load("tulle"))
        self.state_database = Database(load("tulle_state"))
        ticks = count()
        self.intent = Intent(
            self.intent_database, self.state_database, lambda: f"2026-01-01T00:00:{next(ticks):02}"
        )
        self.reaction = Reaction(self.intent_database, self.state_database)
        self.reaction.start()
        self.intent_rows = store.source(self.intent_database)
        self.state_rows = store.source(self.state_database)

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
