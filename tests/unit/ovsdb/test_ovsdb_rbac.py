"""Roles: which rows and columns a client with a certificate may change."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.ovsdb.database import Database
from tulle.ovsdb.execution import Outcome
from tulle.ovsdb.rbac import ANYBODY, Identity
from tulle.ovsdb.schema import parse_schema

STRINGS = {"type": {"key": "string", "min": 0, "max": "unlimited"}}
PAIRS = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
RBAC: dict[str, Any] = {
    "RBAC_Role": {
        "isRoot": True,
        "columns": {
            "name": {"type": "string"},
            "permissions": {
                "type": {
                    "key": "string",
                    "value": {"type": "uuid", "refTable": "RBAC_Permission", "refType": "weak"},
                    "min": 0,
                    "max": "unlimited",
                }
            },
        },
    },
    "RBAC_Permission": {
        "isRoot": True,
        "columns": {
            "table": {"type": "string"},
            "authorization": STRINGS,
            "insert_delete": {"type": "boolean"},
            "update": STRINGS,
        },
    },
}
NODE = {
    "isRoot": True,
    "columns": {"name": {"type": "string"}, "load": {"type": "integer"}, "ids": PAIRS, "owners": STRINGS},
}
ALICE = Identity("agent", "alice")


def database(authorization: list[str], insert_delete: bool = True, with_rbac: bool = True) -> Database:
    """Nodes of alice and bob, and the role "agent", which may change loads."""
    tables = {"Node": NODE, "Secret": NODE, **(RBAC if with_rbac else {})}
    made = Database(parse_schema({"name": "D", "version": "1.0.0", "tables": tables}))
    if with_rbac:
        made.transact(role(authorization, insert_delete))
    made.transact([insert(name) for name in ("alice", "bob")])
    return made


def role(authorization: list[str], insert_delete: bool) -> list[dict[str, Any]]:
    permission = {
        "table": "Node",
        "authorization": ["set", authorization],
        "insert_delete": insert_delete,
        "update": "load",
    }
    pairs = ["map", [["Node", ["named-uuid", "p"]]]]
    return [
        {"op": "insert", "table": "RBAC_Permission", "uuid-name": "p", "row": permission},
        {"op": "insert", "table": "RBAC_Role", "row": {"name": "agent", "permissions": pairs}},
    ]


def insert(name: str, table: str = "Node") -> dict[str, Any]:
    row = {"name": name, "ids": ["map", [["owner", name]]], "owners": ["set", [name]]}
    return {"op": "insert", "table": table, "row": row}


def update(name: str, table: str = "Node", **row: Any) -> dict[str, Any]:
    return {"op": "update", "table": table, "where": [["name", "==", name]], "row": row or {"load": 5}}


def mutate(name: str, column: str, mutator: str, value: Any) -> dict[str, Any]:
    where = [["name", "==", name]]
    return {"op": "mutate", "table": "Node", "where": where, "mutations": [[column, mutator, value]]}


def delete(name: str) -> dict[str, Any]:
    return {"op": "delete", "table": "Node", "where": [["name", "==", name]]}


def execute(made: Database, identity: Identity, *operations: dict[str, Any]) -> Outcome:
    return made.execute(list(operations), identity=identity)


def refused(outcome: Outcome) -> bool:
    return outcome.failed and any(one and one.get("error") == "permission error" for one in outcome.results)


@pytest.mark.parametrize("authorization", ["name", "ids:owner", "owners"])
def test_a_client_changes_its_own_rows_only(authorization: str) -> None:
    made = database([authorization])
    for allowed in (update("alice"), mutate("alice", "load", "+=", 1), delete("alice"), insert("alice")):
        assert not execute(made, ALICE, allowed).failed, allowed
    before = dict(made.rows("Node"))
    for forbidden in (update("bob"), mutate("bob", "load", "+=", 1), delete("bob"), insert("bob")):
        outcome = execute(made, ALICE, forbidden)
        assert refused(outcome), (forbidden, outcome)
        assert "alice" in outcome.results[-1]["details"]
    assert made.rows("Node") == before


def test_columns_that_are_not_named_cannot_be_updated_or_mutated() -> None:
    made = database(["name"])
    assert refused(execute(made, ALICE, update("alice", load=1, ids=["map", []])))
    assert refused(execute(made, ALICE, mutate("alice", "owners", "insert", "bob")))


def test_one_refused_operation_undoes_the_whole_transaction() -> None:
    made = database(["name"])
    assert refused(execute(made, ALICE, update("alice", load=9), update("bob")))
    assert {row["load"] for row in made.rows("Node").values()} == {0}


def test_a_condition_that_also_matches_a_row_of_others_is_refused() -> None:
    made = database(["name"])
    everything = {"op": "update", "table": "Node", "where": [], "row": {"load": 1}}
    assert refused(execute(made, ALICE, everything))


def test_an_empty_authorization_lets_everybody_with_a_certificate() -> None:
    made = database([""])
    assert not execute(made, ALICE, update("bob")).failed
    assert refused(execute(made, Identity("agent", None), update("bob")))


def test_without_insert_delete_rows_neither_come_nor_go() -> None:
    made = database(["name"], insert_delete=False)
    assert refused(execute(made, ALICE, insert("alice")))
    assert refused(execute(made, ALICE, delete("alice")))
    assert not execute(made, ALICE, update("alice")).failed


def test_tables_and_roles_that_are_not_named_cannot_be_changed() -> None:
    made = database(["name"])
    assert refused(execute(made, ALICE, insert("alice", "Secret")))
    assert refused(execute(made, Identity("unheard", "alice"), update("alice")))
    grab = {"op": "update", "table": "RBAC_Permission", "where": [], "row": {"authorization": ""}}
    assert refused(execute(made, ALICE, grab))


def test_a_row_cannot_be_made_ones_own_within_a_transaction() -> None:
    made = database(["owners"])
    steal = mutate("bob", "owners", "insert", "alice")
    assert refused(execute(made, ALICE, steal, update("bob")))


def test_reading_and_clients_without_a_role_are_not_restricted() -> None:
    made = database(["name"])
    select = {"op": "select", "table": "Node", "where": []}
    assert len(execute(made, Identity("agent", None), select).results[0]["rows"]) == 2
    assert not execute(made, ANYBODY, delete("bob")).failed
    assert not execute(database([], with_rbac=False), ALICE, delete("bob")).failed


def test_a_read_only_client_writes_nothing() -> None:
    made = database(["name"])
    outcome = execute(made, Identity(read_only=True), update("alice"))
    assert outcome.failed and outcome.results[-1]["error"] == "not allowed", outcome
    assert not execute(made, Identity(read_only=True), {"op": "comment", "comment": "x"}).failed


def test_a_permission_that_has_gone_permits_nothing() -> None:
    made = database(["name"])
    made.transact([{"op": "delete", "table": "RBAC_Permission", "where": []}])
    assert refused(execute(made, ALICE, update("alice")))
