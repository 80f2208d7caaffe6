"""Rows of appliances, chains and mirrors to values and back, and what agents say of appliances."""

from __future__ import annotations

from msgspec.structs import replace

from tulle import store
from tulle.ovsdb import Database
from tulle.ovsdb.schema import load
from tulle.store import Writer
from tulle.values import Appliance, Chain, LogicalPort, LogicalSwitch, Match, Mirror, Network

PORTS = tuple(
    LogicalPort(name, "services" if name in ("in", "out", "ids") else "lan", f"02:00:00:00:00:0{at}")
    for at, name in enumerate(("a", "ids", "in", "out", "watcher"))
)
NETWORK = Network(
    "red",
    (LogicalSwitch("lan"), LogicalSwitch("services")),
    (),
    PORTS,
    appliances=(Appliance("ear", "ids"), Appliance("fw", "in", "out")),
    chains=(Chain("guard", "to-port", Match("tcp", dport=80), "closed", ("fw", "ear"), port="a", idle=True),),
    mirrors=(
        Mirror("far", "from-port", switch="lan", remote="192.0.2.9", encapsulation="geneve", key=7),
        Mirror("near", "both", port="a", to="watcher"),
    ),
)


def committed(database: Database, writer: Writer) -> None:
    results = database.transact(writer.operations)
    assert not any("error" in one for one in results if one), results


def stored(database: Database) -> Network:
    return store.networks(store.source(database))["red"].network


def written(database: Database, network: Network) -> Network:
    writer = Writer(load("tulle"))
    store.write_network(writer, store.source(database), network, 1)
    committed(database, writer)
    return stored(database)


def test_services_come_back_as_they_were_written() -> None:
    database = Database(load("tulle"))
    assert written(database, NETWORK) == NETWORK


def test_who_follows_the_rows_sees_services_come_change_and_go() -> None:
    database = Database(load("tulle"))
    followed = store.followed(database)
    for network in (
        replace(NETWORK, appliances=(), chains=(), mirrors=()),
        NETWORK,
        replace(NETWORK, chains=(replace(NETWORK.chains[0], idle=False),)),
        replace(NETWORK, appliances=(), chains=(), mirrors=NETWORK.mirrors[:1]),
    ):
        written(database, network)
        assert followed.networks()["red"].network == network


def test_a_chain_keeps_the_order_of_its_appliances_when_it_changes() -> None:
    database = Database(load("tulle"))
    written(database, NETWORK)
    turned = replace(NETWORK, chains=(replace(NETWORK.chains[0], appliances=("ear", "fw"), idle=False),))
    assert written(database, turned) == turned


def test_services_that_go_leave_no_row() -> None:
    database = Database(load("tulle"))
    written(database, NETWORK)
    written(database, replace(NETWORK, appliances=(), chains=(), mirrors=()))
    for table in ("Appliance", "Chain", "Mirror"):
        assert not database.table(table).rows


def test_an_agent_says_how_its_own_appliances_are_and_leaves_the_others_alone() -> None:
    database = Database(load("tulle_state"))
    for node, states, kept in (
        ("node1", {("red", "fw"): "up", ("red", "ear"): "up"}, ()),
        ("node2", {("red", "fw"): "down"}, ()),
        ("node1", {("red", "ear"): "down"}, [("node1", "red", "fw")]),
    ):
        writer = Writer(load("tulle_state"))
        store.write_appliances(writer, store.source(database), node, states, kept)
        committed(database, writer)
    assert store.appliances(store.source(database)) == {
        ("node1", "red", "ear"): "down",
        ("node1", "red", "fw"): "up",
        ("node2", "red", "fw"): "down",
    }
