"""What a listener is told of ports on their way, from rows as they change."""

from __future__ import annotations

from typing import Any

from tulle.cli.watch import sentence
from tulle.controller.watching_moves import Moves
from tulle.ovsdb import Change
from tulle.store import Row


class Watched:
    """Rows of bindings, and the sentences that a listener has been told."""

    def __init__(self, **bound: str) -> None:
        self.bindings = {port: {"network": "red", "port": port, "node": node} for port, node in bound.items()}
        self.moves = Moves(lambda _table: list(self.bindings.values()))
        self.said: list[str] = []

    def change(self, table: str, old: Row | None, new: Row | None) -> None:
        change = Change(table, _UUID, old, new)
        self.said += [sentence(event) for event in self.moves.events(change)]

    def ask(self, port: str, old: str | None, new: str | None) -> None:
        rows: list[Any] = [{"network": "red", "name": port, "node": node} for node in (old, new)]
        self.change("Logical_Port", *rows)

    def bind(self, port: str, node: str) -> None:
        old, new = self.bindings[port], {"network": "red", "port": port, "node": node}
        self.bindings[port] = new
        self.change("Binding", old, new)


_UUID: Any = None


def test_a_move_has_a_beginning_and_an_end() -> None:
    watched = Watched(web1="node1")
    watched.ask("web1", "node1", "node2")
    watched.bind("web1", "node2")
    watched.bind("web1", "node3")
    assert watched.said == [
        "red: port web1 is on its way from node1 to node2",
        "red: port web1 has moved from node1 to node2",
    ]


def test_a_port_that_is_where_it_is_asked_to_be_or_nowhere_does_not_move() -> None:
    watched = Watched(web1="node2")
    watched.ask("web1", "node1", "node2")
    watched.ask("web9", "node1", "node2")
    watched.ask("web1", "node2", "node2")
    assert watched.said == []


def test_a_drain_ends_with_its_last_port_and_says_what_stays() -> None:
    watched = Watched(web1="node1", web2="node1", web3="node1", db1="node2")
    watched.ask("web1", "node1", "node2")
    watched.ask("web2", "node1", "node3")
    watched.change("Change", None, {"what": "drain node1"})
    watched.bind("web1", "node2")
    watched.ask("web2", "node3", "node1")
    assert watched.said == [
        "red: port web1 is on its way from node1 to node2",
        "red: port web2 is on its way from node1 to node3",
        "node node1 is being drained",
        "red: port web1 has moved from node1 to node2",
        "node node1 is drained; 2 ports stay there",
    ]


def test_a_prepared_port_is_taken_or_cancelled() -> None:
    watched = Watched(web1="node1", web2="node1")
    rows = [{"network": "red", "port": port, "target": "node2"} for port in ("web1", "web2")]
    for row in rows:
        watched.change("Move", None, row)
    watched.bind("web1", "node2")
    for row in rows:
        watched.change("Move", row, None)
    assert watched.said == [
        "red: port web1 is prepared at node2",
        "red: port web2 is prepared at node2",
        "red: port web1 has been taken by node2, and is prepared no more",
        "red: port web2 is prepared at node2 no more",
    ]


def test_connections_that_cannot_move_are_told_once() -> None:
    watched = Watched()
    row = {"network": "red", "port": "web1", "target": "node2", "problem": "node1: no such command"}
    watched.change("Port_State", None, {**row, "problem": ""})
    watched.change("Port_State", {**row, "problem": ""}, row)
    watched.change("Port_State", row, row)
    assert watched.said == ["red: connections of port web1 do not move along: node1: no such command"]
