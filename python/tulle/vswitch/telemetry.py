"""What collectors are told of a bridge: sFlow, NetFlow and IPFIX, as values, and as the native switch takes them.

Targets are `ADDRESS:PORT`, with brackets around an IPv6 address.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class SflowConfig(Struct, frozen=True):
    """A row of table sFlow; `agent` is an address or a device, or empty for whatever reaches the first target."""

    targets: tuple[str, ...]
    agent: str = ""
    sampling: int = 400
    header_bytes: int = 128
    polling_s: int = 30


class NetflowConfig(Struct, frozen=True):
    """A row of table NetFlow; None as active timeout waits until a flow ends."""

    targets: tuple[str, ...]
    active_timeout_s: int | None = 600
    engine_type: int = 0
    engine_id: int = 0
    add_id_to_interface: bool = False


class IpfixConfig(Struct, frozen=True):
    """A row of table IPFIX, as far as it concerns the exporter; 0 tells each sample by itself."""

    targets: tuple[str, ...]
    active_timeout_s: int = 0
    max_flows: int = 0
    virtual_observer: str = ""


class BridgeIpfixConfig(Struct, frozen=True):
    """The same for packets that the bridge samples, one in `sampling`; observation domain and point."""

    exporter: IpfixConfig
    sampling: int = 64
    domain: int = 0
    point: int = 0
    samples_input: bool = True
    samples_output: bool = True
    tells_tunnels: bool = True


class Telemetry(Struct, frozen=True):
    """All of it for one bridge; collector sets by number, for the action `sample`."""

    sflow: SflowConfig | None = None
    netflow: NetflowConfig | None = None
    ipfix: BridgeIpfixConfig | None = None
    collector_sets: tuple[tuple[int, IpfixConfig], ...] = ()


def native(telemetry: Telemetry, agent: str | None) -> dict[str, Any]:
    """As `Switch.configure_telemetry` takes it; without an address of the agent there is no sFlow."""
    sflow, netflow, ipfix = telemetry.sflow, telemetry.netflow, telemetry.ipfix
    return {
        "sflow": None if sflow is None or agent is None else {**_fields(sflow), "agent": agent},
        "netflow": None if netflow is None else _fields(netflow),
        "ipfix": None if ipfix is None else {**_fields(ipfix), **_fields(ipfix.exporter)},
        "collector_sets": {number: _fields(exporter) for number, exporter in telemetry.collector_sets},
    }


def _fields(config: Struct) -> dict[str, Any]:
    found = {name: getattr(config, name) for name in config.__struct_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
