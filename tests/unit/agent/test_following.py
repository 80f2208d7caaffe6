"""Which events leave everything but the inside of networks as it was."""

from __future__ import annotations

from uuid import UUID

import pytest

from tulle.agent.following import concerns_places, is_quiet
from tulle.ovsdb import RowUpdated
from tulle.ovsdb.events import RowInserted

ID = UUID(int=1)


def concerns(table: str, shaped: tuple[str, ...] = (), **row: object) -> bool:
    return concerns_places(
        RowInserted(table, ID, {"network": "red", "name": "web", **row}), {("red", "db")}, shaped
    )


def changed(table: str, *columns: str) -> RowUpdated:
    before = dict.fromkeys(columns, 0)
    return RowUpdated(table, ID, dict.fromkeys(columns, 1), before)


@pytest.mark.parametrize(
    "table", ["Turn", "Move", "Port_State", "Backend", "NAT", "Load_Balancer", "Binding", "Tunnel", "Node"]
)
def test_what_decides_versions_translations_and_places_asks_for_a_look_at_everything(table: str) -> None:
    assert concerns(table)


def test_policies_numbers_and_ports_that_are_nowhere_do_not() -> None:
    assert not any(concerns(table) for table in ("ACL", "Port_Group", "Address_Set", "Datapath", "Port_Key"))
    assert not concerns("Logical_Port", node=None, namespace=None)
    assert concerns("Logical_Port", node="node1", namespace=None)
    assert concerns("Logical_Port", node=None, namespace=None, name="db")
    assert not concerns("Logical_Switch") and concerns("Logical_Switch", ("red",))


@pytest.mark.parametrize(
    "column", ["version", "encapsulations", "dns", "forwarding", "paused", "load_balancers"]
)
def test_a_network_that_is_another_as_a_whole_does(column: str) -> None:
    assert concerns_places(changed("Network", "generation", column), (), ())
    assert not concerns_places(changed("Network", "generation", "ports"), (), ())


def test_what_nodes_report_of_themselves_is_quiet() -> None:
    assert is_quiet(changed("Node", "heartbeat", "applied", "prepared", "refused", "stamped"))
    assert not is_quiet(changed("Node", "applied", "encapsulations"))
