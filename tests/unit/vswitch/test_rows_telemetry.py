"""Rows of sFlow, NetFlow and IPFIX become what collectors are told, and wrong values problems of their bridge."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.errors import InvalidInput
from tulle.ovsdb import Database, Transaction, schema
from tulle.vswitch import rows, rows_bridge
from tulle.vswitch.agent_address import agent_address
from tulle.vswitch.rows_reference import TABLES, Tables
from tulle.vswitch.rows_telemetry import address_and_port
from tulle.vswitch.telemetry import (
    BridgeIpfixConfig,
    IpfixConfig,
    NetflowConfig,
    SflowConfig,
    Telemetry,
    native,
)

COLLECTOR = "192.0.2.1:2055"


def tables_with(**columns: Any) -> Tables:
    """A bridge whose columns of this name refer to rows with these values."""
    names = {"sflow": "sFlow", "netflow": "NetFlow", "ipfix": "IPFIX"}
    database = Database(schema.load("vswitch"))
    txn = Transaction(database.schema)
    sets = columns.pop("sets", ())
    found = {name: txn.insert(names[name], values) for name, values in columns.items()}
    found["other_config"] = {"datapath-id": "0000000000000709"}
    bridge = txn.insert("Bridge", {"name": "br0", **found})
    for number, values in sets:
        row = {"id": number, "bridge": bridge, "ipfix": txn.insert("IPFIX", values)}
        txn.insert("Flow_Sample_Collector_Set", row)
    txn.insert("Open_vSwitch", {"bridges": [bridge]})
    database.transact(txn.operations)
    return {name: database.rows(name) for name in TABLES}


def read(tables: Tables) -> tuple[Telemetry, str]:
    (bridge,), errors = rows.bridges(tables)
    assert errors == {}
    (row,) = tables["Bridge"].values()
    return bridge.settings.telemetry, "; ".join(rows_bridge.problems(tables, row))


def test_rows_without_values_have_the_defaults_of_open_vswitch() -> None:
    netflow = {"targets": [COLLECTOR], "active_timeout": 0}
    told, problems = read(
        tables_with(sflow={"targets": ["192.0.2.1"]}, netflow=netflow, ipfix={"targets": ["[2001:db8::1]"]})
    )
    assert problems == ""
    assert told.sflow == SflowConfig(("192.0.2.1:6343",), "", 400, 128, 30)
    assert told.netflow == NetflowConfig((COLLECTOR,), 600, 7, 9, False)
    assert told.ipfix == BridgeIpfixConfig(IpfixConfig(("[2001:db8::1]:4739",)), 64, 0, 0)


def test_every_column_is_obeyed() -> None:
    sflow = {"targets": [COLLECTOR], "agent": "eth0", "sampling": 10, "header": 60, "polling": 0}
    netflow = {
        "targets": [COLLECTOR, "192.0.2.2:9995"],
        "active_timeout": -1,
        "engine_type": 1,
        "engine_id": 2,
        "add_id_to_interface": True,
    }
    options = {"enable-input-sampling": "false", "enable-tunnel-sampling": "false", "virtual_obs_id": "x"}
    cache = {"cache_active_timeout": 60, "cache_max_flows": 1000}
    ipfix = {"targets": [COLLECTOR], "sampling": 1, "obs_domain_id": 3, "obs_point_id": 4, **cache}
    told, problems = read(
        tables_with(
            sflow=sflow,
            netflow=netflow,
            ipfix={**ipfix, "other_config": options},
            sets=[(7, {"targets": [COLLECTOR], **cache}), (8, {"targets": []})],
        )
    )
    assert problems == ""
    assert told.sflow == SflowConfig((COLLECTOR,), "eth0", 10, 60, 0)
    assert told.netflow == NetflowConfig((COLLECTOR, "192.0.2.2:9995"), None, 1, 2, True)
    exporter = IpfixConfig((COLLECTOR,), 60, 1000, "x")
    assert told.ipfix == BridgeIpfixConfig(exporter, 1, 3, 4, False, True, False)
    assert told.collector_sets == ((7, IpfixConfig((COLLECTOR,), 60, 1000)),)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"sflow": {"targets": ["pear"]}}, "sflow: target 'pear' must be an IP address"),
        ({"sflow": {"targets": ["1.2.3.4"], "sampling": 0}}, "sflow sampling must be 1 to 4294967295, not 0"),
        ({"sflow": {"targets": ["1.2.3.4"], "header": 2000}}, "sflow header must be 1 to 1024, not 2000"),
        ({"sflow": {"targets": ["1.2.3.4"], "polling": -1}}, "sflow polling must be 0 to"),
        (
            {"netflow": {"targets": ["1.2.3.4"], "active_timeout": 0}},
            "netflow: target '1.2.3.4' needs a port",
        ),
        ({"netflow": {"targets": ["1.2.3.4:0"], "active_timeout": 0}}, "needs a port from 1 to 65535"),
        ({"ipfix": {"targets": ["[::1:5"]}}, "ipfix: target '[::1:5'"),
        (
            {"ipfix": {"targets": ["::1"], "other_config": {"virtual_obs_id": "x" * 255}}},
            "virtual_obs_id has more than 254 bytes",
        ),
        ({"sets": [(5, {"targets": ["nowhere:1"]})]}, "collector set 5: target 'nowhere:1'"),
    ],
)
def test_wrong_values_are_said(columns: dict[str, Any], said: str) -> None:
    assert said in read(tables_with(**columns))[1]


def test_a_wrong_target_keeps_no_other_from_being_told() -> None:
    told, problems = read(tables_with(sflow={"targets": ["pear", "192.0.2.1:7"]}))
    assert told.sflow is not None and told.sflow.targets == ("192.0.2.1:7",)
    assert "pear" in problems
    assert read(tables_with(sflow={"targets": ["pear"]}))[0] == Telemetry()


def test_targets_have_an_address_and_a_port() -> None:
    assert address_and_port("192.0.2.1:5") == ("192.0.2.1", 5)
    assert address_and_port("[2001:db8::1]:5", 9) == ("2001:db8::1", 5)
    assert address_and_port("2001:db8::1", 9) == ("2001:db8::1", 9)
    for wrong in (
        "",
        ":",
        "1.2.3.4:x",
        "1.2.3.4:70000",
        "[::1]x",
        "host:5",
        "1.2.3.4:²",
        "[fe80::1%eth0]:5",
        f"1.2.3.4:{'1' * 5000}",
    ):
        with pytest.raises(InvalidInput):
            address_and_port(wrong, 9)


def test_an_agent_is_an_address_or_a_device_or_what_reaches_the_first_target() -> None:
    def agent(text: str, target: str = "127.0.0.9:6343") -> str | None:
        return agent_address(SflowConfig((target,), text))

    assert [agent("192.0.2.7"), agent("2001:db8::7"), agent("lo")] == [
        "192.0.2.7",
        "2001:db8::7",
        "127.0.0.1",
    ]
    assert agent("") == "127.0.0.1"
    assert [agent("no-such-device"), agent("fe80::1%lo")] == [None, None]


def test_without_an_agent_there_is_no_sflow() -> None:
    told = native(Telemetry(sflow=SflowConfig((COLLECTOR,))), None)
    assert told == {"sflow": None, "netflow": None, "ipfix": None, "collector_sets": {}}
