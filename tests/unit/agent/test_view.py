"""What the agent reads from the rows of the real schemas."""

from __future__ import annotations

from tulle import store
from tulle.agent.view import View, read_view
from tulle.ovsdb import Database, Transaction, schema
from tulle.store import Writer, source
from tulle.values import Binding, LogicalPort, LogicalSwitch, Network, Node

RED = Network(
    "red",
    (LogicalSwitch("web", ("10.0.1.0/24",)),),
    ports=(LogicalPort("a", "web", "02:00:00:00:00:0a", ("10.0.1.5",), node="node1"),),
)


def new_databases() -> tuple[Database, Database]:
    intent, state = Database(schema.load("tulle")), Database(schema.load("tulle_state"))
    writer = Writer(intent.schema)
    store.write_network(writer, source(intent), RED, generation=3)
    intent.transact(writer.operations)
    writer = Writer(state.schema)
    store.write_node(writer, source(state), Node("node1", "192.0.2.1", ("stt",)), {})
    store.write_binding(writer, source(state), Binding("red", "a", "node1"), "t1")
    state.transact(writer.operations)
    return intent, state


def read(databases: tuple[Database, Database], last: View | None = None) -> View:
    return read_view(source(databases[0]), source(databases[1]), last)


def test_networks_nodes_and_bindings_are_read() -> None:
    view = read(new_databases())
    assert view.networks["red"].network == RED
    assert view.networks["red"].generation == 3
    assert view.nodes["node1"].address == "192.0.2.1"
    assert view.bindings == {("red", "a"): "node1"}
    assert view.requested == {("red", "a"): "node1"}


def test_a_network_that_makes_no_sense_any_more_stays_as_it_was() -> None:
    databases = new_databases()
    before = read(databases)
    txn = Transaction(databases[0].schema)
    txn.update("Logical_Port", [("name", "==", "a")], {"addresses": ["pear"]})
    databases[0].transact(txn.operations)
    assert read(databases, before).networks == before.networks
    assert read(databases).networks == {}
