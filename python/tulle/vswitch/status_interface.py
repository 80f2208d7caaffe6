"""The columns of table Interface that the switch writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tulle.vswitch.bridge import Bridge, KernelLink, Link
from tulle.vswitch.configuration import CREATED, PortState
from tulle.vswitch.rows_bfd import bfd_status

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


def interface_columns(
    bridge: Bridge, name: str, error: str | None, health: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """Number, error, health and what attaching told; `error` is of the configuration."""
    port, link = bridge.ports.get(name), bridge.links.get(name, Link())
    broken = error or (port.error if port is not None else "not configured")
    if broken is not None or port is None:
        nothing = dict.fromkeys(("link_state", "admin_state", "ifindex"))
        return {"ofport": -1, "error": broken, "bfd_status": {}, **nothing}
    columns: dict[str, Any] = {"ofport": port.number, "error": None}
    columns["bfd_status"] = bfd_status(health.get(port.number))
    if link.mac is not None:
        columns |= {"mac_in_use": link.mac, "ifindex": link.ifindex, "mtu": link.mtu}
        columns |= {"link_speed": link.speed_bps, "duplex": link.duplex}
    else:
        columns |= {"link_state": "up", "admin_state": "up"}
    return columns


def link_columns(port: PortState, links: Mapping[str, KernelLink]) -> dict[str, Any]:
    """A device that is not here was moved into another namespace; who moved it cares for its state."""
    if port.device.kind != "device" and port.device.kind not in CREATED:
        return {}
    link = links.get(port.device.name)
    if link is None:
        return {"link_state": "up", "admin_state": "up"}
    is_up, has_link = link.states
    columns: dict[str, Any] = {
        "link_state": "up" if has_link else "down",
        "admin_state": "up" if is_up else "down",
        "mtu": link.mtu,
    }
    return columns | ({"mac_in_use": link.mac} if link.mac is not None else {})


def statistics(counters: Mapping[str, int]) -> dict[str, int]:
    """The column `statistics`, from what the native switch counted."""
    return {name: counters[name] for name in _STATISTICS if name in counters}
