"""Rows of an Open_vSwitch database become configuration, and what cannot be becomes an error of its row."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.errors import InvalidInput
from tulle.ovsdb import Database, Transaction, schema
from tulle.vswitch import rows, rows_bridge, rows_interface
from tulle.vswitch.configuration import Device, TunnelOptions
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


def tunnel(name: str, kind: str, remote: str, local: str = "", **options: Any) -> Device:
    made = TunnelOptions(**options)
    return Device(name, "tunnel", encapsulation=kind, remote=remote, local=local, tunnel=made)


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
        (tunnel("s", "stt", "192.0.2.2", "192.0.2.9", dst_port=7471), None),
        (Device("t1", "tap"), 9),
        (tunnel("v", "vxlan", "192.0.2.1", in_key="flow", out_key="flow", dst_port=4789), None),
    ]


def test_options_of_a_tunnel_are_read_as_open_vswitch_has_them() -> None:
    options = {"in_key": "0x10", "key": "flow", "tos": "inherit", "ttl": "inherit", "df_default": "false"}
    more = {
        "csum": "true",
        "exts": "gbp",
        "dst_port": "8472",
        "egress_pkt_mark": "7",
        "packet_type": "legacy_l2",
    }
    row = {**DEFAULTS, **interface("a", "vxlan", remote_ip="flow", local_ip="2001:DB8::1", **options, **more)}
    made = {
        "in_key": 16,
        "out_key": "flow",
        "dst_port": 8472,
        "tos": None,
        "ttl": None,
        "dont_fragment": False,
    }
    expected = tunnel("a", "vxlan", "flow", "2001:db8::1", **made, checksum=True, gbp=True)
    assert rows_interface.port(row, "br-int").device == expected


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (interface("a", "lisp", remote_ip="192.0.2.1"), "lisp is not supported yet"),
        (interface("a", "pear"), "type 'pear'"),
        (interface("a", "patch"), "option peer is needed"),
        (interface("a", "patch", peer="a"), "another port"),
        ({**interface("a", "tap"), "mtu_request": 70000}, "mtu_request is 68 to 65535"),
        ({**interface("a", "tap"), "mac": "01:00:00:00:00:01"}, "unicast"),
        (interface("a", "vxlan"), "remote_ip is needed"),
        (interface("a", "vxlan", remote_ip="pear"), "IP address or flow, not 'pear'"),
        (interface("a", "vxlan", remote_ip="239.1.1.1"), "one host"),
        (interface("a", "stt", remote_ip="192.0.2.1", local_ip="::1"), "one family"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", key="0x1000000"), "key is 0 to 0xffffff"),
        (interface("a", "gre", remote_ip="192.0.2.1", out_key="pear"), "out_key must be a number"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", dst_port="70000"), "dst_port is 0 to 0xffff"),
        (interface("a", "gre", remote_ip="192.0.2.1", dst_port="7"), "unknown option dst_port of type gre"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", ttl="256"), "ttl is 0 to 0xff"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", csum="yes"), "csum must be true or false"),
        (interface("a", "vxlan", remote_ip="192.0.2.1", exts="gpe"), "exts must be gbp"),
        (interface("a", "geneve", remote_ip="192.0.2.1", exts="gbp"), "unknown option exts of type geneve"),
        (interface("a", "gre", remote_ip="192.0.2.1", packet_type="ptap"), "packet_type must be legacy_l2"),
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
