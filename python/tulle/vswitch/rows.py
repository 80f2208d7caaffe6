"""The edge between rows of the Open_vSwitch database and the switch's own values.

Options that cannot be served become an error for the row; they never stop the other ports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from ipaddress import AddressValueError, IPv4Address
from typing import Any
from uuid import UUID

import structlog

from tulle.errors import InvalidInput
from tulle.vswitch.configuration import LAST_PORT, BridgeConfig, Device, PortConfig

Row = Mapping[str, Any]
Tables = Mapping[str, Mapping[UUID, Row]]

DEVICE_NAME_BYTES = 15
BRIDGE_NAME_BYTES = 63
STANDARD_PORTS = {"stt": 7471, "vxlan": 4789}
_logger = structlog.get_logger(__name__)
_TUNNEL_OPTIONS = {"remote_ip", "local_ip", "key", "dst_port", "csum"}


def bridges(tables: Tables) -> tuple[list[BridgeConfig], dict[str, str]]:
    """The bridges of the root row that can be, and an error for each interface (by name) that cannot be."""
    errors: dict[str, str] = {}
    rows = [
        row for row in _members(tables, "Open_vSwitch", "bridges", "Bridge") if _is_file_name(row["name"])
    ]
    found = [_bridge(tables, row, errors) for row in rows]
    return sorted(found, key=lambda bridge: bridge.name), errors


def interfaces(tables: Tables, bridge: Row) -> Iterator[Row]:
    """The Interface rows of a bridge."""
    for port in _referenced(tables, bridge["ports"], "Port"):
        yield from _referenced(tables, port["interfaces"], "Interface")


def datapath_id(bridge: Row, system: str) -> int:
    """The bridge's `other_config:datapath-id`, else a number made of the system's and the bridge's name."""
    asked = bridge["other_config"].get("datapath-id", "")
    try:
        if number := int(asked, 16) & 0xFFFF_FFFF_FFFF_FFFF:
            return number
    except ValueError:
        pass
    digest = blake2b(f"{system}/{bridge['name']}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") & ~(0x03 << 40) | (0x02 << 40)


def device(interface: Row, bridge: str) -> Device:
    """What an Interface row asks for; raises `InvalidInput` saying what cannot be."""
    name, kind = interface["name"], interface["type"]
    if kind == "internal" and name == bridge:
        return Device(name, "local")
    if kind in STANDARD_PORTS:
        return _tunnel(name, kind, interface["options"])
    if not 0 < len(name.encode()) <= DEVICE_NAME_BYTES or "/" in name:
        raise InvalidInput(f"a device name has 1 to {DEVICE_NAME_BYTES} bytes without a slash")
    if kind in ("tap", "internal"):
        return Device(name, "tap", mtu=interface["mtu_request"] or 1500)
    if kind in ("", "system"):
        return Device(name, "device")
    raise InvalidInput(f"type {kind!r} is not one of tap, internal, system, {', '.join(STANDARD_PORTS)}")


def _is_file_name(name: str) -> bool:
    """A bridge has a socket named after it; as in Open vSwitch, one with a slash in its name is left out."""
    if "/" not in name and 0 < len(name.encode()) <= BRIDGE_NAME_BYTES:
        return True
    _logger.warning("bridge ignored: its name is no file name", bridge=name)
    return False


def _bridge(tables: Tables, row: Row, errors: dict[str, str]) -> BridgeConfig:
    ports = []
    for interface in interfaces(tables, row):
        try:
            made = device(interface, row["name"])
        except InvalidInput as error:
            errors[interface["name"]] = error.message
        else:
            ports.append(PortConfig(made, _number(interface["ofport_request"]), interface["ofport"]))
    ports.sort(key=lambda port: port.device.name)
    return BridgeConfig(row["name"], datapath_id(row, system_name(tables)), tuple(ports))


def system_name(tables: Tables) -> str:
    """The root row's `external_ids:system-id`."""
    for row in tables["Open_vSwitch"].values():
        return str(row["external_ids"].get("system-id", ""))
    return ""


def _number(request: int | None) -> int | None:
    return request if request is not None and 0 < request <= LAST_PORT else None


def _tunnel(name: str, kind: str, options: Mapping[str, str]) -> Device:
    if unknown := options.keys() - _TUNNEL_OPTIONS:
        raise InvalidInput(f"unknown option {min(unknown)}; known are {', '.join(sorted(_TUNNEL_OPTIONS))}")
    if options.get("key", "flow") != "flow":
        raise InvalidInput(f"option key must be flow, not {options['key']}")
    if options.get("dst_port", str(STANDARD_PORTS[kind])) != str(STANDARD_PORTS[kind]):
        raise InvalidInput(f"option dst_port must be {STANDARD_PORTS[kind]}, not {options['dst_port']}")
    if "remote_ip" not in options:
        raise InvalidInput("option remote_ip is needed")
    local = options.get("local_ip", "")
    return Device(
        name,
        "tunnel",
        encapsulation=kind,
        remote=_address("remote_ip", options["remote_ip"]),
        local=_address("local_ip", local) if local else "",
    )


def _address(option: str, text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError as error:
        raise InvalidInput(f"option {option} must be an IPv4 address, not {text!r}") from error


def _members(tables: Tables, table: str, column: str, target: str) -> Iterator[Row]:
    for row in tables[table].values():
        yield from _referenced(tables, row[column], target)


def _referenced(tables: Tables, uuids: frozenset[UUID], table: str) -> Iterator[Row]:
    return (tables[table][uuid] for uuid in uuids if uuid in tables[table])
