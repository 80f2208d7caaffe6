"""Rows of an Open_vSwitch database become configuration, and what cannot be becomes an error of its row."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.errors import InvalidInput
from tulle.ovsdb import Database, Transaction, schema
from tulle.vswitch import rows, rows_bridge, rows_interface
from tulle.vswitch.configuration import Device
from tulle.vswitch.rows_reference import TABLES, Tables

DEFAULTS = {
    "mtu_request": None,
    "mac": None,
    "ingress_policing_rate": 0,
    "ingress_policing_burst": 0,
    "ingress_policing_kpkts_rate": 0,
    "ingress_policing_kpkts_burst": 0,
    "ofport": None,
}


def interface(name: str, kind: str = "", request: int | None = None, **options: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "options": options, "ofport_request": request}


def tables_with(*interfaces: dict[str, Any], system: str = "node1") -> Tables:
    database = Database(schema.load("vswitch"))
    txn = Transaction(database.schema)
    ports = []
    for row in interfaces:
        one = txn.insert("Interface", row)
        ports.append(txn.insert("Port", {"name": row["name"], "interfaces": [one]}))
    bridge = txn.insert("Bridge", {"name": "br-int", "ports": ports})
    txn.insert("Open_vSwitch", {"bridges": [bridge], "external_ids": {"system-id": system}})
    database.transact(txn.operations)
    return {name: database.rows(name) for name in TABLES}


def test_each_kind_of_interface_becomes_a_device() -> None:
    tables = tables_with(
        interface("br-int", "internal"),
        interface("t1", "tap", request=9),
        interface("eth0"),
        interface("v", "vxlan", remote_ip="192.0.2.1", key="flow"),
        interface("s", "stt", remote_ip="192.0.2.2", local_ip="192.0.2.9"),
    )
    (bridge,), errors = rows.bridges(tables)
    assert errors == {}
    assert [(port.device, port.request) for port in bridge.ports] == [
        (Device("br-int", "local"), None),
        (Device("eth0", "device"), None),
        (Device("s", "tunnel", encapsulation="stt", remote="192.0.2.2", local="192.0.2.9"), None),
        (Device("t1", "tap"), 9),
        (Device("v", "tunnel", encapsulation="vxlan", remote="192.0.2.1"), None),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (interface("a", "geneve"), "geneve is not supported yet"),
        (interface("a", "pear"), "type 'pear'"),
        (interface("a", "patch"), "option peer is needed"),
        (interface("a", "patch", peer="a"), "another port"),
        ({**interface("a", "tap"), "mtu_request": 70000}, "mtu_request is 68 to 65535"),
        ({**interface("a", "tap"), "mac": "01:00:00:00:00:01"}, "unicast"),
        (interface("a", "vxlan"), "remote_ip is needed"),
        (interface("a", "vxlan", remote_ip="flow"), "IPv4 address, not 'flow'"),
        (interface("a", "stt", remote_ip="192.0.2.1", local_ip="::1"), "local_ip must be"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", key="7"), "key must be flow"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", dst_port="8472"), "dst_port must be 4789"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", colour="red"), "unknown option colour"),
        (interface("a-name-that-is-too-long", "tap"), "1 to 15 bytes"),
        (interface("a/b", "tap"), "without a slash"),
    ],
)
def test_what_cannot_be_is_said(row: dict[str, Any], said: str) -> None:
    (bridge,), errors = rows.bridges(tables_with(row, interface("good", "tap")))
    assert [port.device.name for port in bridge.ports] == ["good"]
    assert said in errors[row["name"]], errors
    with pytest.raises(InvalidInput):
        rows_interface.port({**DEFAULTS, **row}, "br-int")


def test_datapath_ids_differ_between_nodes_and_stay_the_same_for_one() -> None:
    ids = [rows.bridges(tables_with(system=name))[0][0].settings.datapath_id for name in ("a", "b", "a")]
    assert ids[0] == ids[2] != ids[1]
    assert 0 < ids[0] < 1 << 48


def test_a_datapath_id_that_is_given_is_taken_and_nonsense_is_not() -> None:
    bridge = {"name": "br", "other_config": {"datapath-id": "00000000000000ff"}}
    assert rows_bridge.datapath_id(bridge, "node1") == 0xFF
    odd = {"name": "br", "other_config": {"datapath-id": "pear"}}
    assert rows_bridge.datapath_id(odd, "node1") == rows_bridge.datapath_id(
        {"name": "br", "other_config": {}}, "node1"
    )
