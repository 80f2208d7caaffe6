"""What the switch tells its database: numbers, errors, addresses, state and statistics.

Builds operations only; nothing is written that the row says already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from tulle.ovsdb import DatabaseSchema, Transaction
from tulle.vswitch.bridge import Bridge, KernelLink
from tulle.vswitch.capabilities import KEY
from tulle.vswitch.rows_bfd import bfd_status
from tulle.vswitch.rows_bridge import problems
from tulle.vswitch.rows_port import port_problems
from tulle.vswitch.rows_reference import Row, Tables, interfaces, referenced
from tulle.vswitch.status_interface import interface_columns, link_columns, statistics


def write_status(
    schema: DatabaseSchema,
    tables: Tables,
    bridges: Mapping[str, Bridge],
    errors: Mapping[str, str],
    done: Mapping[UUID, int],
) -> Transaction:
    """Everything that follows from a configuration; `done` is the `next_cfg` that it came from, by row."""
    transaction = Transaction(schema)
    for row in tables["Bridge"].values():
        bridge = bridges.get(row["name"])
        if bridge is None:
            continue
        update(transaction, "Bridge", row, _bridge(tables, row, bridge))
        _write_controllers(transaction, tables, row, bridge)
        _write_ports(transaction, tables, row, bridge)
        health = bridge.switch.health()
        for interface in interfaces(tables, row):
            columns = interface_columns(bridge, interface["name"], errors.get(interface["name"]), health)
            if interface["mtu"] is not None and columns["error"] is None:
                columns.pop("mtu", None)  # `write_statistics` follows it
            update(transaction, "Interface", interface, columns)
    for row in tables["Open_vSwitch"].values():
        update(transaction, "Open_vSwitch", row, {"cur_cfg": done.get(row["_uuid"], row["cur_cfg"])})
    return transaction


def write_statistics(
    schema: DatabaseSchema,
    tables: Tables,
    bridges: Mapping[str, Bridge],
    links: Mapping[str, KernelLink],
) -> Transaction:
    """Counters and states; `links` are the devices of this network namespace by name."""
    transaction = Transaction(schema)
    for row in tables["Bridge"].values():
        bridge = bridges.get(row["name"])
        if bridge is None:
            continue
        _write_controllers(transaction, tables, row, bridge)
        _write_mirrors(transaction, tables, row, bridge)
        _write_ports(transaction, tables, row, bridge)
        counters, health = bridge.switch.port_statistics(), bridge.switch.health()
        for interface in interfaces(tables, row):
            port = bridge.ports.get(interface["name"])
            number = bridge.number(interface["name"])
            if port is None or number is None:
                continue
            columns = {"statistics": statistics(counters.get(number, {})), **link_columns(port, links)}
            columns["bfd_status"] = bfd_status(health.get(number))
            update(transaction, "Interface", interface, columns)
    return transaction


def write_capabilities(schema: DatabaseSchema, roots: Iterable[Row], text: str) -> Transaction:
    """What kernel and underlay can do, beside what else stands in the root row's `external_ids`."""
    transaction = Transaction(schema)
    for row in roots:
        update(transaction, "Open_vSwitch", row, {"external_ids": {**row["external_ids"], KEY: text}})
    return transaction


def update(transaction: Transaction, table: str, row: Mapping[str, Any], columns: dict[str, Any]) -> None:
    """Write the columns of a row that differ."""
    changed = {name: value for name, value in columns.items() if row[name] != value}
    if changed:
        transaction.update(table, row["_uuid"], changed)


def _bridge(tables: Tables, row: Row, bridge: Bridge) -> dict[str, Any]:
    found = problems(tables, row) + bridge.problems
    if bridge.unsaved is not None:
        found.append(f"changes of flows are not written down: {bridge.unsaved}")
    status = {"error": "; ".join(found)} if found else {}
    return {
        "datapath_id": f"{bridge.settings.datapath_id:016x}",
        "datapath_version": "tulle",
        "status": status,
    }


def _write_mirrors(transaction: Transaction, tables: Tables, row: Row, bridge: Bridge) -> None:
    counts = bridge.switch.mirror_statistics()
    copied = {name: {"tx_packets": packets, "tx_bytes": octets} for name, packets, octets in counts}
    for mirror in referenced(tables, row["mirrors"], "Mirror"):
        if mirror["name"] in copied:
            update(transaction, "Mirror", mirror, {"statistics": copied[mirror["name"]]})


def _write_ports(transaction: Transaction, tables: Tables, row: Row, bridge: Bridge) -> None:
    for port in referenced(tables, row["ports"], "Port"):
        bond = bridge.bonds.get(port["name"])
        link = bridge.links.get(bond.active) if bond is not None else None
        active = link.mac if link is not None else None
        names = [one["name"] for one in referenced(tables, port["interfaces"], "Interface")]
        found = port_problems(tables, port)
        found += [f"{name}: {problem}" for name in names if (problem := bridge.unshaped.get(name))]
        columns = {"bond_active_slave": active, "status": {"error": "; ".join(found)} if found else {}}
        update(transaction, "Port", port, columns)


def _write_controllers(transaction: Transaction, tables: Tables, row: Row, bridge: Bridge) -> None:
    statuses = bridge.controllers.statuses()
    for controller in referenced(tables, row["controller"], "Controller"):
        status = statuses.get(controller["target"])
        if status is not None:
            columns = {"is_connected": status.is_connected, "role": status.role, "status": status.status}
            update(transaction, "Controller", controller, columns)
