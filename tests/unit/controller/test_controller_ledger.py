"""Who changed what and when, and back to any of it; two who change one network at once."""

from __future__ import annotations

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.asked import Asked
from tulle.errors import Conflict, InvalidInput, NotFound
from tulle.logical import Place

ANNA = Asked(by="anna", message="as agreed")


def filled() -> Cores:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml", ANNA)
    return cores


def told(cores: Cores, network: str) -> list[tuple[int, str, str, str]]:
    return [
        (row["generation"], row["by"], row["what"], row["summary"]) for row in cores.intent.history(network)
    ]


def test_every_change_is_in_the_history_with_who_and_what():
    cores = filled()
    cores.intent.move("red", "web1", "node3", Asked(by="ben"))
    cores.intent.pause("red", True, ANNA)
    cores.intent.delete("red", ANNA)
    assert told(cores, "red") == [
        (1, "anna", "apply two.yaml", "the whole network added"),
        (2, "ben", "move web1 to node3", "1 changed"),
        (3, "anna", "pause", "1 changed"),
        (4, "anna", "delete", "the whole network removed"),
    ]
    assert cores.intent.history("red")[0]["message"] == "as agreed"
    assert len({row["created"] for row in cores.intent.history("red")}) == 4


def test_one_can_roll_back_to_any_change_also_of_a_deleted_network():
    cores = filled()
    versions = [cores.intent.network("red").network]
    for node in ("node3", "node2"):
        cores.intent.move("red", "web1", node)
        versions.append(cores.intent.network("red").network)
    cores.intent.delete("red")
    for number, version in enumerate(versions, 1):
        cores.intent.rollback("red", str(number))
        assert cores.intent.network("red").network == version
    with pytest.raises(Conflict, match="deleted"):
        cores.intent.rollback("red", "4")
    with pytest.raises(NotFound, match="there are 1 to"):
        cores.intent.rollback("red", "99")


def test_dry_runs_say_the_same_and_write_nothing():
    cores = filled()
    cores.intent.snapshot("red", "good")
    before = {name: dict(table.rows) for name, table in cores.intent_database.tables.items()}
    dry = Asked(dry_run=True)
    intent = cores.intent
    assert intent.move("red", "web1", "node3", dry).generations == {"red": 2}
    assert intent.rollback("red", "1", dry).changes == ()
    assert intent.delete("red", dry).generations == {"red": 0}
    assert intent.clone("red", "copy", {}, None, dry).generations == {"copy": 1}
    assert intent.rename("red", "crimson", dry).generations == {"red": 0, "crimson": 2}
    assert intent.pause("red", True, dry).changes
    assert intent.bring_in(TEXT[: TEXT.index("  - name: blue")], "x.yaml", "pink", {}, dry).generations == {
        "pink": 1
    }
    assert {name: dict(table.rows) for name, table in cores.intent_database.tables.items()} == before


def test_who_builds_upon_an_old_generation_is_told_what_has_changed():
    cores = filled()
    cores.intent.move("red", "web1", "node3", Asked(by="ben", message="maintenance"))
    before = cores.intent.network("red")
    with pytest.raises(Conflict) as refused:
        cores.intent.move("red", "web1", "node2", Asked(by="anna", expected={"red": 1}))
    assert refused.value.code == "changed-meanwhile"
    for word in ("generation 2", "ben: move web1 to node3", "1 changed", "maintenance"):
        assert word in refused.value.message
    assert cores.intent.network("red") == before
    cores.intent.move("red", "web1", "node2", Asked(expected={"red": 2}))


def test_a_file_says_of_which_generation_it_was_exported():
    cores = filled()
    text = TEXT.replace("  - name: red\n", "  - name: red\n    generation: 1\n").replace(
        "dport=22", "dport=23"
    )
    cores.intent.move("red", "web1", "node3")
    with pytest.raises(Conflict, match="builds upon generation 1"):
        cores.intent.apply(text, "two.yaml")
    assert (
        cores.intent.apply(text.replace("generation: 1", "generation: 2"), "two.yaml").generations["red"] == 3
    )


def test_only_one_of_two_makes_a_network():
    cores = filled()
    with pytest.raises(Conflict) as refused:
        cores.intent.apply(
            TEXT.replace("dport=22", "dport=23"), "two.yaml", Asked(expected={"red": 0, "blue": 0})
        )
    assert refused.value.code == "exists"


def test_a_clone_has_the_same_inside_and_ports_where_one_wants_them():
    cores = filled()
    cores.intent.clone("red", "copy", {"web1": Place("node2", "copy-web1")}, None, ANNA)
    red, copy = (cores.intent.network(name).network for name in ("red", "copy"))
    assert (copy.switches, copy.routers, copy.acls) == (red.switches, red.routers, red.acls)
    assert [(port.mac, port.addresses) for port in copy.ports] == [
        (port.mac, port.addresses) for port in red.ports
    ]
    assert {port.name: (port.node, port.namespace) for port in copy.ports if port.node} == {
        "web1": ("node2", "copy-web1")
    }
    ids = store.ids(cores.state_rows)
    assert ids.datapaths["copy/web"] != ids.datapaths["red/web"]
    with pytest.raises(NotFound, match="did you mean 'web1'"):
        cores.intent.clone("red", "other", {"web11": Place("node2")})
    with pytest.raises(Conflict, match="unknown node"):
        cores.intent.clone("red", "other", {"web1": Place("node9")})
    with pytest.raises(Conflict, match="exists already"):
        cores.intent.clone("red", "copy", {})


def test_a_clone_of_a_snapshot_is_as_the_network_was():
    cores = filled()
    cores.intent.snapshot("red", "good")
    original = cores.intent.network("red").network
    cores.intent.apply(TEXT.replace("dport=22", "dport=23"), "two.yaml")
    cores.intent.clone("red", "copy", {}, "good")
    assert cores.intent.network("copy").network.acls == original.acls


def test_a_renamed_network_keeps_snapshots_and_history():
    cores = filled()
    cores.intent.snapshot("red", "good")
    cores.intent.rename("red", "crimson", ANNA)
    assert "red" not in cores.intent.networks()
    assert [row["name"] for row in cores.intent.snapshots("crimson")] == ["good"]
    assert [what for _, _, what, _ in told(cores, "crimson")] == ["apply two.yaml", "rename red"]
    assert cores.intent.diff("crimson", "good") == ()
    assert told(cores, "red") == [(2, "anna", "rename to crimson", "the name is free")]
    with pytest.raises(NotFound):
        cores.intent.snapshots("red")
    cores.intent.rename("crimson", "red")
    assert cores.intent.network("red").generation == 4
    whats = ["apply two.yaml", "rename red", "rename crimson"]
    assert [what for _, _, what, _ in told(cores, "red")] == whats


def test_the_generations_of_a_name_go_on_after_it_was_freed():
    cores = filled()
    for node in ("node3", "node2"):
        cores.intent.move("red", "web1", node)
    cores.intent.rename("red", "crimson")
    cores.intent.apply(TEXT, "two.yaml")
    assert cores.intent.network("red").generation == 5
    cores.intent.delete("red")
    with pytest.raises(Conflict, match="deleted network 'red' are kept"):
        cores.intent.rename("crimson", "red")


def test_a_network_that_comes_back_has_its_numbers_again():
    cores = filled()
    numbers = cores.intent.ledger.numbers("red")
    cores.intent.delete("red")
    cores.intent.apply(
        TEXT.split("networks:")[0] + "networks: [{name: new, switches: [{name: s}]}]", "new.yaml"
    )
    cores.intent.rollback("red", "before-delete-1")
    again = cores.intent.ledger.numbers("red")
    taken = store.ids(cores.state_rows).datapaths["new/s"]
    assert {name for name in numbers if again[name] != numbers[name]} == {
        name for name, number in numbers.items() if number == taken and "/" not in name
    }


def test_snapshots_that_go_take_their_own_parts_along():
    cores = filled()
    parts = cores.intent_database.tables["Part"].rows
    cores.intent.snapshot("red", "one")
    before = set(parts)
    cores.intent.snapshot("red", "two")
    assert set(parts) == before, "the same network is there once"
    cores.register(*NODES)
    cores.intent.move("red", "web1", "node3")
    cores.intent.snapshot("red", "three")
    assert set(parts) > before
    for name in ("one", "two", "three"):
        cores.intent.delete_snapshot("red", name)
    assert len(parts) < len(before) * 2
    assert cores.intent.was("red", "1") != cores.intent.was("red", "2")


def test_a_snapshot_of_an_earlier_release_can_be_rolled_back_to():
    cores = filled()
    import orjson

    from tulle.logical import document_of

    original = cores.intent.network("red").network
    row = {
        "network": "red",
        "name": "old",
        "created": "2025-01-01T00:00:00",
        "generation": 1,
        "document": orjson.dumps(document_of(original)).decode(),
    }
    cores.intent_database.transact([{"op": "insert", "table": "Snapshot", "row": row}])
    cores.intent.move("red", "web1", "node3")
    cores.intent.rollback("red", "old")
    assert cores.intent.network("red").network == original


def test_what_others_changed_in_the_database_is_noted_and_can_be_had_again():
    cores = filled()
    change = {"op": "update", "table": "Network", "where": [["name", "==", "red"]]}
    cores.intent_database.transact([{**change, "row": {"generation": 5}}])
    cores.intent.move("red", "web1", "node3", ANNA)
    assert [one[:3] for one in told(cores, "red")][1:] == [
        (5, "", "changed by others"),
        (6, "anna", "move web1 to node3"),
    ]
    cores.intent.rollback("red", "5")


@pytest.mark.parametrize("name", ["7", "Not A Name"])
def test_a_snapshots_name_is_no_number(name):
    with pytest.raises(InvalidInput, match="expected"):
        filled().intent.snapshot("red", name)


def test_a_snapshot_is_not_named_like_those_that_go_by_themselves():
    cores = filled()
    with pytest.raises(InvalidInput, match="automatic snapshots"):
        cores.intent.snapshot("red", "before-rollback-1")
    assert cores.intent.snapshot("red", "before-upgrade")["name"] == "before-upgrade"


def test_a_change_past_the_controller_at_the_same_moment_wins_and_this_one_is_refused():
    cores = filled()
    database = cores.intent_database
    honest = database.transact

    def after_somebody_else(operations):
        database.transact = honest
        where = [["name", "==", "red"]]
        honest([{"op": "update", "table": "Network", "where": where, "row": {"generation": 9}}])
        return honest(operations)

    database.transact = after_somebody_else
    with pytest.raises(Conflict, match="at this moment") as refused:
        cores.intent.move("red", "web1", "node3")
    assert refused.value.code == "changed-meanwhile"
    assert cores.intent.network("red").generation == 9
    assert {port.node for port in cores.intent.network("red").network.ports if port.name == "web1"} == {
        "node1"
    }
