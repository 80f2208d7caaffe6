"""What a bridge's NORMAL and its mirrors follow: ports of the schema (one interface or a bond), VLANs, mirrors.

By names here; `native` gives the numbers, once they are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

VlanMode = Literal["access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"]
BondMode = Literal["active-backup", "balance-slb"]
Number = Callable[[str], int | None]


class BundleConfig(Struct, frozen=True):
    """A row of table Port; delays in milliseconds."""

    name: str
    members: tuple[str, ...]
    vlan_mode: VlanMode = "trunk"
    tag: int = 0
    trunks: tuple[int, ...] = ()
    bond: BondMode = "active-backup"
    protected: bool = False
    up_delay_ms: int = 0
    down_delay_ms: int = 0
    primary: str = ""


class MirrorConfig(Struct, frozen=True):
    """A row of table Mirror; ports are names of rows of table Port."""

    name: str
    select_all: bool = False
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    vlans: tuple[int, ...] = ()
    output_port: str = ""
    output_vlan: int | None = None
    snap_len: int = 0


class Forwarding(Struct, frozen=True):
    """All of it for one bridge; aging in seconds."""

    bundles: tuple[BundleConfig, ...] = ()
    mirrors: tuple[MirrorConfig, ...] = ()
    flood_vlans: tuple[int, ...] = ()
    mac_aging_s: int = 300
    mac_limit: int = 8192
    forward_bpdu: bool = False


def native(forwarding: Forwarding, number: Number, live: Mapping[str, list[str]]) -> dict[str, Any]:
    """As `Switch.configure_bridge` takes it; `live` are the members of each bond that work, the active one first.

    Interfaces that do not work have no number and are left out.
    """
    numbers = {bundle.name: _numbers(bundle.members, number) for bundle in forwarding.bundles}
    bundles = [
        {
            "name": bundle.name,
            "members": numbers[bundle.name],
            "live": _numbers(tuple(live.get(bundle.name, bundle.members)), number),
            "vlan_mode": bundle.vlan_mode,
            "tag": bundle.tag,
            "trunks": list(bundle.trunks),
            "bond": bundle.bond,
            "protected": bundle.protected,
        }
        for bundle in forwarding.bundles
        if numbers[bundle.name]
    ]
    return {
        "bundles": bundles,
        "mirrors": [
            _mirror(mirror, numbers) for mirror in forwarding.mirrors if _has_output(mirror, numbers)
        ],
        "flood_vlans": list(forwarding.flood_vlans),
        "mac_aging_s": forwarding.mac_aging_s,
        "mac_limit": forwarding.mac_limit,
        "forward_bpdu": forwarding.forward_bpdu,
    }


def _numbers(names: tuple[str, ...], number: Number) -> list[int]:
    return [found for name in names if (found := number(name)) is not None]


def _has_output(mirror: MirrorConfig, numbers: Mapping[str, list[int]]) -> bool:
    return bool(numbers.get(mirror.output_port)) or mirror.output_vlan is not None


def _mirror(mirror: MirrorConfig, numbers: Mapping[str, list[int]]) -> dict[str, Any]:
    outputs = numbers.get(mirror.output_port)
    return {
        "name": mirror.name,
        "select_all": mirror.select_all,
        "select_sources": [number for name in mirror.sources for number in numbers.get(name, ())],
        "select_destinations": [number for name in mirror.destinations for number in numbers.get(name, ())],
        "select_vlans": list(mirror.vlans),
        "output_port": outputs[0] if outputs else None,
        "output_vlan": mirror.output_vlan,
        "snap_len": mirror.snap_len,
    }
