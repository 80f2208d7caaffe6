"""Changes by users: whole or not at all, one generation each, and undoable."""

from __future__ import annotations

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.asked import Asked
from tulle.errors import Conflict, InvalidInput, NotFound

BLUE = "  - name: blue"


def only_red() -> str:
    return TEXT[: TEXT.index(BLUE)]


def content(cores: Cores) -> dict[str, list[dict[str, object]]]:
    return {
        name: [dict(row) for row in table.rows.values()]
        for name, table in cores.intent_database.tables.items()
    }


def test_apply_makes_networks_with_generation_one():
    cores = Cores()
    applied = cores.intent.apply(TEXT, "two.yaml")
    assert applied.generations == {"red": 1, "blue": 1}
    assert [(change.kind, change.path) for change in applied.changes] == [("added", "blue"), ("added", "red")]
    assert set(cores.intent.networks()) == {"red", "blue"}


def test_applying_the_same_file_again_changes_nothing():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    before = content(cores)
    assert cores.intent.apply(TEXT, "two.yaml").changes == ()
    assert content(cores) == before


def test_only_the_network_that_changed_gets_a_new_generation():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    head, tail = TEXT.split(BLUE)
    applied = cores.intent.apply(head + BLUE + tail.replace("dport=22", "dport=23"), "two.yaml")
    assert applied.generations == {"red": 1, "blue": 2}
    assert {change.path.split("/")[0] for change in applied.changes} == {"blue"}


def test_networks_that_the_file_does_not_name_stay():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    assert cores.intent.apply(only_red(), "red.yaml").changes == ()
    assert set(cores.intent.networks()) == {"red", "blue"}


def test_dry_run_tells_the_changes_and_writes_nothing():
    cores = Cores()
    before = content(cores)
    assert cores.intent.apply(TEXT, "two.yaml", Asked(dry_run=True)).generations == {"red": 1, "blue": 1}
    assert content(cores) == before


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("10.0.1.11", "10.9.1.11", "outside the subnets"),
        ("name: web2", "name: web1", "used twice"),
        ("namespace: red-web1", "namspace: red-web1", "did you mean 'namespace'"),
        ("node: node2", "node: node9", "unknown node 'node9'"),
        ('"tcp,dport=22"', '"tpc,dport=22"', "unknown protocol 'tpc'"),
        ("networks:", "networks: [", "two.yaml:"),
    ],
)
def test_bad_file_is_refused_whole_with_its_line(old, new, expected):
    cores = Cores()
    cores.intent.apply(only_red(), "red.yaml")
    before = content(cores)
    assert old in TEXT
    with pytest.raises(InvalidInput, match=expected) as refused:
        cores.intent.apply(TEXT.replace(old, new, 1), "two.yaml")
    assert (refused.value.where or "").startswith("two.yaml:")
    assert content(cores) == before


def test_file_without_nodes_is_checked_against_those_that_registered():
    cores = Cores()
    networks = TEXT[TEXT.index("networks:") :]
    with pytest.raises(InvalidInput, match="unknown node"):
        cores.intent.apply(networks, "networks.yaml")
    cores.register(*NODES)
    assert cores.intent.apply(networks, "networks.yaml").generations == {"red": 1, "blue": 1}


def test_agents_node_cannot_be_declared_external():
    cores = Cores()
    cores.register(NODES[0])
    text = TEXT.replace("{name: node1,", "{name: node1, external: true,")
    with pytest.raises(Conflict, match="node1"):
        cores.intent.apply(text, "two.yaml")


def test_rollback_brings_back_the_snapshot_and_can_be_undone():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    original = cores.intent.network("red").network
    cores.intent.snapshot("red", "good")
    cores.intent.move("red", "web1", "node3")
    damaged = cores.intent.network("red").network
    assert cores.intent.rollback("red", "good").generations == {"red": 3}
    assert cores.intent.network("red").network == original
    assert cores.intent.diff("red", "good") == ()
    assert cores.intent.rollback("red", "before-rollback-2").generations == {"red": 4}
    assert cores.intent.network("red").network == damaged


def test_rollback_to_what_is_there_changes_nothing():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.intent.snapshot("red", "good")
    before = content(cores)
    assert cores.intent.rollback("red", "good").generations == {"red": 1}
    assert content(cores) == before


def test_deleted_network_comes_back_from_its_automatic_snapshot():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    original = cores.intent.network("red").network
    assert cores.intent.delete("red").generations == {"red": 0}
    with pytest.raises(NotFound):
        cores.intent.network("red")
    cores.intent.rollback("red", "before-delete-1")
    assert cores.intent.network("red").network == original


def test_network_made_anew_gets_a_generation_that_no_node_has_seen():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(NODES[0], applied={"red": 5})
    cores.intent.delete("red")
    assert cores.intent.apply(only_red(), "red.yaml").generations == {"red": 6}


def test_rollback_to_a_node_that_is_gone_is_refused():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.intent.snapshot("red", "good")
    cores.intent.move("red", "web1", "node3")
    cores.intent_database.transact([{"op": "delete", "table": "Node", "where": [["name", "==", "node1"]]}])
    before = content(cores)
    with pytest.raises(Conflict, match="unknown node 'node1'"):
        cores.intent.rollback("red", "good")
    assert content(cores) == before


def test_snapshots_are_told_apart_and_numbered():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    assert [cores.intent.snapshot("red")["name"] for _ in range(2)] == ["snapshot-1", "snapshot-2"]
    with pytest.raises(Conflict, match="snapshot-1"):
        cores.intent.snapshot("red", "snapshot-1")
    with pytest.raises(InvalidInput, match="a-z"):
        cores.intent.snapshot("red", "Not A Name")
    cores.intent.delete_snapshot("red", "snapshot-1")
    assert [row["name"] for row in cores.intent.snapshots("red")] == ["snapshot-2"]


def test_automatic_snapshots_do_not_pile_up():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.intent.snapshot("red", "good")
    for _ in range(15):
        cores.intent.move("red", "web1", "node3")
        cores.intent.rollback("red", "good")
    names = [row["name"] for row in cores.intent.snapshots("red")]
    assert len(names) == 11, names
    assert names[0] == "good"
    assert names[-1] == "before-rollback-30"


def test_difference_of_two_snapshots_names_what_changed():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.intent.snapshot("red", "one")
    cores.intent.move("red", "web1", "node3")
    cores.intent.snapshot("red", "two")
    changes = cores.intent.diff("red", "one", "two")
    assert [(change.path, change.old, change.new) for change in changes] == [
        ("red/ports/web1/node", "node1", "node3")
    ]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda intent: intent.move("rde", "web1", "node3"), "did you mean 'red'"),
        (lambda intent: intent.move("red", "web11", "node3"), "did you mean 'web1'"),
        (lambda intent: intent.move("red", "web1", "node33"), "did you mean 'node3'"),
        (lambda intent: intent.rollback("red", "nothing"), "no snapshot 'nothing'"),
        (lambda intent: intent.rollback("green", "nothing"), "no network 'green'"),
        (lambda intent: intent.delete("green"), "no network 'green'"),
    ],
)
def test_what_does_not_exist_is_named_with_the_nearest(call, expected):
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.intent.snapshot("red", "good")
    before = content(cores)
    with pytest.raises(NotFound, match=expected):
        call(cores.intent)
    assert content(cores) == before


def test_move_to_the_node_where_it_is_asked_to_be_is_no_new_generation():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    assert cores.intent.move("red", "web1", "node1").generations == {"red": 1}
    assert store.networks(cores.intent_rows)["red"].generation == 1


def test_node_is_forgotten_only_when_no_port_asks_for_it():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES)
    with pytest.raises(Conflict, match="red/web3"):
        cores.intent.forget_node("node3")
    for name in ("red", "blue"):
        cores.intent.move(name, "web3", "node1")
    cores.intent.forget_node("node3")
    assert set(cores.intent.nodes()) == {"node1", "node2"}
    assert len(store.tunnels(cores.state_rows)) == 1


def test_network_that_somebody_spoiled_can_be_applied_again_or_deleted():
    spoil = {
        "op": "update",
        "table": "Logical_Port",
        "where": [["network", "==", "red"]],
        "row": {"mac": "no"},
    }
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    original = cores.intent.network("red").network
    cores.intent_database.transact([spoil])
    assert cores.intent.apply(TEXT, "two.yaml").generations == {"red": 2, "blue": 1}
    assert cores.intent.network("red").network == original
    cores.intent_database.transact([spoil])
    cores.intent.delete("red")
    assert "red" not in {row["name"] for row in cores.intent_rows("Network")}
