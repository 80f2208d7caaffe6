"""Rows of table Interface as devices and their settings.  What cannot be served is an error for the row."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from tulle.errors import InvalidInput
from tulle.vswitch.configuration import LAST_PORT, Device, PortConfig, PortSettings
from tulle.vswitch.rows_bfd import bfd_settings
from tulle.vswitch.rows_reference import Row
from tulle.vswitch.rows_tunnel import STANDARD_PORTS, UNSUPPORTED, tunnel

DEVICE_NAME_BYTES = 15
MTU_BYTES = (68, 65535)
DEFAULT_MTU = 1500
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def port(interface: Row, bridge: str, mac: str | None = None) -> PortConfig:
    """An Interface row of a bridge whose own address is `mac`; raises `InvalidInput` saying what cannot be."""
    made = device(interface, bridge)
    config = settings(interface, mac if made.kind == "local" else None)
    if made.kind == "tunnel":
        config = msgspec.structs.replace(config, bfd=bfd_settings(interface))
    return PortConfig(made, _number(interface["ofport_request"]), interface["ofport"], config)


def device(interface: Row, bridge: str) -> Device:
    """What an Interface row asks for; raises `InvalidInput` saying what cannot be."""
    name, kind = interface["name"], interface["type"]
    if kind == "patch":
        return _patch(name, interface["options"])
    if kind in STANDARD_PORTS:
        return tunnel(name, kind, interface["options"])
    if kind in UNSUPPORTED:
        raise InvalidInput(f"type {kind} is not supported yet")
    if not 0 < len(name.encode()) <= DEVICE_NAME_BYTES or "/" in name:
        raise InvalidInput(f"a device name has 1 to {DEVICE_NAME_BYTES} bytes without a slash")
    if name == bridge:
        return Device(name, "local")
    if kind == "tap":
        return Device(name, "tap")
    if kind == "internal":
        return Device(name, "internal")
    if kind in ("", "system"):
        return Device(name, "device")
    raise InvalidInput(
        f"type {kind!r} is not one of system, internal, tap, patch, {', '.join(STANDARD_PORTS)}"
    )


def settings(interface: Row, bridge_mac: str | None = None) -> PortSettings:
    """MTU, address and policing; raises `InvalidInput`."""
    mtu, mac = interface["mtu_request"], interface["mac"] or bridge_mac
    if mtu is not None and not MTU_BYTES[0] <= mtu <= MTU_BYTES[1]:
        raise InvalidInput(f"mtu_request is {MTU_BYTES[0]} to {MTU_BYTES[1]} bytes, not {mtu}")
    if mac is not None and not is_unicast(mac):
        raise InvalidInput(f"mac must be a unicast Ethernet address, not {mac!r}")
    return PortSettings(
        mtu,
        mac.lower() if mac is not None else None,
        interface["ingress_policing_rate"],
        interface["ingress_policing_burst"],
        interface["ingress_policing_kpkts_rate"],
        interface["ingress_policing_kpkts_burst"],
    )


def is_unicast(mac: str) -> bool:
    """Whether a device can have this address."""
    return MAC.fullmatch(mac) is not None and not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"


def _number(request: int | None) -> int | None:
    return request if request is not None and 0 < request <= LAST_PORT else None


def _patch(name: str, options: Mapping[str, str]) -> Device:
    peer = options.get("peer", "")
    if not peer:
        raise InvalidInput("option peer is needed")
    if peer == name:
        raise InvalidInput("option peer must name another port")
    return Device(name, "patch", peer=peer)
