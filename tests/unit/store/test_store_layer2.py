"""Layer 2 in the databases: rows to values and back, and what agents say of groups and physical networks."""

from __future__ import annotations

from tulle import store
from tulle.ovsdb import Database
from tulle.ovsdb.schema import load
from tulle.store import Writer, layer2
from tulle.values import LogicalPort, LogicalSwitch, Membership, Multicast, Network

NETWORK = Network(
    "red",
    (
        LogicalSwitch("floor", multicast=Multicast(True, False, 10, 30)),
        LogicalSwitch("lan", multicast=Multicast()),
        LogicalSwitch("trunk", vlan="transparent"),
    ),
    (),
    (
        LogicalPort("pod", "lan", "02:00:00:00:00:01", parent="vm", tag=10),
        LogicalPort("vm", "lan", "02:00:00:00:00:02"),
        LogicalPort("wall", "floor", "02:00:00:00:00:03", localnet="campus"),
    ),
)


def committed(database: Database, writer: Writer) -> None:
    results = database.transact(writer.operations)
    assert not any("error" in one for one in results if one), results


def test_a_network_comes_back_as_it_was_written() -> None:
    database, writer = Database(load("tulle")), Writer(load("tulle"))
    store.write_network(writer, store.source(database), NETWORK, 1)
    committed(database, writer)
    assert store.networks(store.source(database))["red"].network == NETWORK
    assert store.followed(database).networks()["red"].network == NETWORK


def test_nodes_say_who_has_joined_and_take_it_back() -> None:
    database = Database(load("tulle_state"))
    rows = store.source(database)
    first = {Membership("red", "lan", "239.1.1.1", port) for port in ("pod", "vm")}
    for node, known in (("node1", first), ("node2", first), ("node1", set[Membership]())):
        writer = Writer(load("tulle_state"))
        layer2.write_memberships(writer, rows, node, known)
        committed(database, writer)
    assert layer2.memberships(rows) == {("node2", one) for one in first}


def test_one_node_speaks_for_a_switch() -> None:
    database = Database(load("tulle_state"))
    rows = store.source(database)
    for node in ("node1", "node2"):
        writer = Writer(load("tulle_state"))
        layer2.write_speaker(writer, rows, "red", "floor", node)
        committed(database, writer)
    assert layer2.speakers(rows) == {("red", "floor"): "node2"}


def test_what_is_gone_is_forgotten() -> None:
    database = Database(load("tulle_state"))
    rows, kept = store.source(database), Membership("red", "lan", "239.1.1.1", "vm")
    for node in ("node1", "node2"):
        writer = Writer(load("tulle_state"))
        other = Membership("blue", "lan", "239.1.1.1", "vm")
        layer2.write_memberships(writer, rows, node, {kept, other})
        layer2.write_speaker(writer, rows, {"node1": "red", "node2": "blue"}[node], "floor", node)
        committed(database, writer)
    writer = Writer(load("tulle_state"))
    layer2.delete_strays(writer, rows, {"red"}, {"node1"})
    committed(database, writer)
    assert layer2.memberships(rows) == {("node1", kept)}
    assert layer2.speakers(rows) == {("red", "floor"): "node1"}
