"""The edge between rows of the Open_vSwitch database and the switch's own values.

Options that cannot be served become an error for the row; they never stop the other ports.
One table, one file: `rows_bridge`, `rows_interface`, `rows_controller`...
"""

from __future__ import annotations

import structlog

from tulle.errors import InvalidInput
from tulle.vswitch import rows_bridge, rows_interface, rows_port, rows_queue
from tulle.vswitch.configuration import BridgeConfig
from tulle.vswitch.rows_reference import Row, Tables, interfaces, members

BRIDGE_NAME_BYTES = 63
_logger = structlog.get_logger(__name__)


def bridges(tables: Tables) -> tuple[list[BridgeConfig], dict[str, str]]:
    """The bridges of the root row that can be, and an error for each interface (by name) that cannot be."""
    errors: dict[str, str] = {}
    rows = [row for row in members(tables, "Open_vSwitch", "bridges", "Bridge") if _is_file_name(row["name"])]
    found = [_bridge(tables, row, errors) for row in rows]
    return sorted(found, key=lambda bridge: bridge.name), errors


def system_name(tables: Tables) -> str:
    """The root row's `external_ids:system-id`."""
    for row in tables["Open_vSwitch"].values():
        return str(row["external_ids"].get("system-id", ""))
    return ""


def _is_file_name(name: str) -> bool:
    """A bridge has a socket named after it; as in Open vSwitch, one with a slash in its name is left out."""
    if "/" not in name and 0 < len(name.encode()) <= BRIDGE_NAME_BYTES:
        return True
    _logger.warning("bridge ignored: its name is no file name", bridge=name)
    return False


def _bridge(tables: Tables, row: Row, errors: dict[str, str]) -> BridgeConfig:
    settings = rows_bridge.bridge_settings(tables, row, system_name(tables))
    ports = []
    for interface in interfaces(tables, row):
        try:
            ports.append(rows_interface.port(interface, row["name"], settings.mac))
        except InvalidInput as error:
            errors[interface["name"]] = error.message
    ports.sort(key=lambda port: port.device.name)
    return BridgeConfig(
        row["name"],
        settings,
        tuple(ports),
        rows_port.forwarding(tables, row),
        rows_queue.bridge_qos(tables, row),
    )
