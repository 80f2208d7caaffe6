"""What follows from intent and nodes: numbers, tunnels, external nodes."""

from __future__ import annotations

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.reaction import react
from tulle.store import Writer
from tulle.values import Binding, Tunnel, Unreachable

EXTERNAL = TEXT.replace("{name: node3,", "{name: node3, external: true,")


def operations(cores: Cores) -> list[object]:
    writer = Writer(cores.state_database.schema)
    react(cores.intent_rows, cores.state_rows, writer)
    return list(writer.operations)


def test_applied_networks_have_numbers_at_once_and_reacting_again_gives_nothing():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    numbers = store.ids(cores.state_rows)
    assert {"red/web", "red/db", "red/core", "blue/web"} <= numbers.datapaths.keys()
    assert len(set(numbers.datapaths.values())) == len(numbers.datapaths)
    assert operations(cores) == []


def test_numbers_stay_when_a_network_changes():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    before = store.ids(cores.state_rows)
    cores.intent.move("red", "web1", "node3")
    cores.intent.apply(TEXT, "two.yaml")
    assert store.ids(cores.state_rows) == before


def test_numbers_of_a_deleted_network_are_kept_while_a_node_has_it():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(NODES[0], applied={"red": 1, "blue": 1})
    before = store.ids(cores.state_rows)
    cores.intent.delete("red")
    assert store.ids(cores.state_rows) == before
    cores.register(NODES[0], applied={"blue": 1})
    left = store.ids(cores.state_rows)
    assert {name.split("/")[0] for name in left.datapaths} == {"blue"}


@pytest.mark.parametrize(
    "gone", [lambda intent: intent.rename("red", "crimson"), lambda intent: intent.delete("red")]
)
def test_a_network_made_anew_does_not_get_numbers_under_which_a_node_serves_the_former(gone):
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES, applied={"red": 1, "blue": 1})
    former = numbers_of(cores, "red")
    gone(cores.intent)
    cores.intent.apply(TEXT, "two.yaml")
    assert set(numbers_of(cores, "red.2").values()) == set(former.values())
    assert not set(numbers_of(cores, "red").values()) & set(former.values())
    assert operations(cores) == []
    cores.register(*NODES[:2], applied={"red": 3, "blue": 1})
    before = numbers_of(cores, "red")
    assert numbers_of(cores, "red.2")
    cores.register(NODES[2], applied={"blue": 1})
    assert not numbers_of(cores, "red.2")
    assert numbers_of(cores, "red") == before
    assert operations(cores) == []


def numbers_of(cores: Cores, network: str) -> dict[str, int]:
    """The numbers of its datapaths."""
    found = store.ids(cores.state_rows).datapaths
    return {name: number for name, number in found.items() if name.startswith(f"{network}/")}


def test_number_of_a_port_that_is_gone_is_not_given_away_before_every_node_knows():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES, applied={"red": 1, "blue": 1})
    before = store.ids(cores.state_rows).ports
    cores.intent.apply(TEXT.replace("name: web3", "name: web4", 1), "two.yaml")
    meanwhile = store.ids(cores.state_rows).ports
    assert meanwhile["red/web/web3"] == before["red/web/web3"] != meanwhile["red/web/web4"]
    cores.register(*NODES[:2], applied={"red": 2, "blue": 1})
    assert "red/web/web3" in store.ids(cores.state_rows).ports
    cores.register(NODES[2], applied={"red": 2, "blue": 1})
    assert "red/web/web3" not in store.ids(cores.state_rows).ports
    assert operations(cores) == []


def test_numbers_of_a_network_that_somebody_spoiled_are_kept():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    before = store.ids(cores.state_rows)
    spoil = {
        "op": "update",
        "table": "Logical_Port",
        "where": [["network", "==", "red"]],
        "row": {"mac": "no"},
    }
    cores.intent_database.transact([spoil])
    assert set(store.networks(cores.intent_rows)) == {"blue"}
    assert store.ids(cores.state_rows) == before


def test_tunnels_are_chosen_when_nodes_register():
    cores = Cores()
    cores.register(*NODES)
    assert store.tunnels(cores.state_rows) == (
        Tunnel("node1", "node2", "stt"),
        Tunnel("node1", "node3", "vxlan"),
        Tunnel("node2", "node3", "vxlan"),
    )
    assert operations(cores) == []


def test_tunnel_follows_when_a_node_speaks_something_else():
    cores = Cores()
    cores.register(*NODES[:2])
    cores.register(type(NODES[1])("node2", "172.31.0.2", ("gre",)))
    (pair,) = store.tunnels(cores.state_rows)
    assert isinstance(pair, Unreachable)
    assert "no encapsulation in common" in pair.reason


def test_external_node_gets_tunnels_and_its_ports_are_bound():
    cores = Cores()
    cores.register(*NODES[:2])
    cores.intent.apply(EXTERNAL, "two.yaml")
    assert store.nodes(cores.state_rows)["node3"].external
    assert Tunnel("node1", "node3", "vxlan") in store.tunnels(cores.state_rows)
    external = {one for one in store.bindings(cores.state_rows) if one.node == "node3"}
    assert Binding("red", "web3", "node3") in external
    assert operations(cores) == []


def test_binding_goes_with_its_port():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.bind_all()
    assert {one.network for one in store.bindings(cores.state_rows)} == {"red", "blue"}
    cores.intent.delete("red")
    assert {one.network for one in store.bindings(cores.state_rows)} == {"blue"}


def test_start_mends_what_a_crash_between_the_databases_left():
    cores = Cores()
    cores.reaction.stop()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES)
    assert store.ids(cores.state_rows).datapaths == {}
    cores.reaction.start()
    cores.react()
    assert len(store.ids(cores.state_rows).datapaths) == 6
    assert len(store.tunnels(cores.state_rows)) == 3


def test_rows_stranger_than_foreseen_do_not_break_the_client_that_commits_them():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    rows = {"network": "a/b", "kind": "switch", "name": "c/d", "id": 77}
    cores.state_database.transact([{"op": "insert", "table": "Datapath", "row": rows}])
    cores.intent_database.transact(
        [{"op": "insert", "table": "Network", "row": {"name": "a/b/c", "generation": 1}}]
    )
    cores.register(*NODES)
    assert len(store.tunnels(cores.state_rows)) == 3
