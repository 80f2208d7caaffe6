"""What the switch tells its database: numbers, errors, addresses, state and statistics of interfaces.

Builds operations only; nothing is written that the row says already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from tulle.ovsdb import DatabaseSchema, Transaction
from tulle.vswitch.apply import Bridge, Link
from tulle.vswitch.configuration import PortState
from tulle.vswitch.rows import Tables, interfaces

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000

_STATISTICS = (
    "rx_packets",
    "rx_bytes",
    "rx_dropped",
    "rx_errors",
    "tx_packets",
    "tx_bytes",
    "tx_dropped",
    "tx_errors",
)


class KernelLink(Struct, frozen=True):
    """A network device as the kernel shows it; `mtu` in bytes."""

    flags: int
    mtu: int


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
        _update(transaction, "Bridge", row, {"datapath_id": f"{bridge.datapath_id:016x}"})
        for interface in interfaces(tables, row):
            name = interface["name"]
            columns = _interface(bridge.ports.get(name), bridge.links.get(name, Link()), errors.get(name))
            if interface["mtu"] is not None:
                columns.pop("mtu", None)  # `write_statistics` follows it
            _update(transaction, "Interface", interface, columns)
    for row in tables["Open_vSwitch"].values():
        _update(transaction, "Open_vSwitch", row, {"cur_cfg": done.get(row["_uuid"], row["cur_cfg"])})
    return transaction


def write_statistics(
    schema: DatabaseSchema,
    tables: Tables,
    bridges: Mapping[str, Bridge],
    links: Mapping[str, KernelLink],
) -> Transaction:
    """Counters and link states; `links` are the devices of this network namespace by name."""
    transaction = Transaction(schema)
    for row in tables["Bridge"].values():
        bridge = bridges.get(row["name"])
        if bridge is None:
            continue
        counters = bridge.switch.port_statistics()
        for interface in interfaces(tables, row):
            port = bridge.ports.get(interface["name"])
            if port is None or port.error is not None:
                continue
            columns = {"statistics": _statistics(counters.get(port.number, {})), **_link(port, links)}
            _update(transaction, "Interface", interface, columns)
    return transaction


def _interface(port: PortState | None, link: Link, error: str | None) -> dict[str, Any]:
    broken = error or (port.error if port is not None else "not configured")
    if broken is not None or port is None:
        return {"ofport": -1, "error": broken, "link_state": None, "admin_state": None, "ifindex": None}
    columns: dict[str, Any] = {"ofport": port.number, "error": None}
    if link.mac is not None:
        columns |= {"mac_in_use": link.mac, "ifindex": link.ifindex, "mtu": link.mtu}
    if port.device.kind == "tunnel":
        columns |= {"link_state": "up", "admin_state": "up"}
    return columns


def _link(port: PortState, links: Mapping[str, KernelLink]) -> dict[str, Any]:
    """A device that is not here was moved into another namespace; who moved it cares for its state."""
    link = links.get(port.device.name)
    if port.device.kind not in ("tap", "device"):
        return {}
    if link is None:
        return {"link_state": "up", "admin_state": "up"}
    return {
        "link_state": "up" if link.flags & IFF_LOWER_UP else "down",
        "admin_state": "up" if link.flags & IFF_UP else "down",
        "mtu": link.mtu,
    }


def _statistics(counters: Mapping[str, int]) -> dict[str, int]:
    return {name: counters[name] for name in _STATISTICS if name in counters}


def _update(transaction: Transaction, table: str, row: Mapping[str, Any], columns: dict[str, Any]) -> None:
    changed = {name: value for name, value in columns.items() if row[name] != value}
    if changed:
        transaction.update(table, row["_uuid"], changed)
