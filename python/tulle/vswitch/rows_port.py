"""Rows of tables Port and Mirror as what a bridge's NORMAL and mirrors follow."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from tulle.vswitch.forwarding import BondMode, BundleConfig, Forwarding, MirrorConfig, VlanMode
from tulle.vswitch.rows_queue import qos_problems
from tulle.vswitch.rows_reference import Row, Tables, integer, is_true, referenced

BOND_MODES = ("active-backup", "balance-slb")


def forwarding(tables: Tables, bridge: Row) -> Forwarding:
    """All of it for one bridge; see `port_problems` for what cannot be."""
    ports = sorted(referenced(tables, bridge["ports"], "Port"), key=lambda row: str(row["name"]))
    mirrors = sorted(referenced(tables, bridge["mirrors"], "Mirror"), key=lambda row: str(row["name"]))
    return Forwarding(
        tuple(_bundle(tables, row) for row in ports),
        tuple(_mirror(tables, row) for row in mirrors),
        tuple(sorted(bridge["flood_vlans"])),
        integer(bridge, "mac-aging-time", 300, 15, 3600),
        integer(bridge, "mac-table-size", 8192, 10, 1_000_000),
        is_true(bridge, "forward-bpdu"),
    )


def port_problems(tables: Tables, port: Row) -> list[str]:
    """What a row of table Port asks for and does not get."""
    found = []
    if port["bond_mode"] not in (None, *BOND_MODES):
        found.append(f"bond_mode {port['bond_mode']} is not supported; active-backup is used")
    if port["lacp"] not in (None, "off"):
        found.append("lacp is not supported")
    if port["vlan_mode"] == "access" and port["tag"] is None:
        found.append("vlan_mode access needs a tag; VLAN 0 is used")
    return found + qos_problems(tables, port)


def _bundle(tables: Tables, row: Row) -> BundleConfig:
    members = sorted(str(one["name"]) for one in referenced(tables, row["interfaces"], "Interface"))
    mode: BondMode = "balance-slb" if row["bond_mode"] == "balance-slb" else "active-backup"
    return BundleConfig(
        row["name"],
        tuple(members),
        _vlan_mode(row),
        row["tag"] or 0,
        tuple(sorted(row["trunks"])),
        mode,
        row["protected"],
        row["bond_updelay"],
        row["bond_downdelay"],
        row["other_config"].get("bond-primary", ""),
    )


def _vlan_mode(row: Row) -> VlanMode:
    mode: VlanMode | None = row["vlan_mode"]
    if mode is not None:
        return mode
    return "access" if row["tag"] is not None else "trunk"


def _mirror(tables: Tables, row: Row) -> MirrorConfig:
    def names(uuids: Iterable[UUID] | UUID | None) -> tuple[str, ...]:
        return tuple(sorted(str(port["name"]) for port in referenced(tables, uuids, "Port")))

    outputs = names(row["output_port"])
    return MirrorConfig(
        row["name"],
        row["select_all"],
        names(row["select_src_port"]),
        names(row["select_dst_port"]),
        tuple(sorted(row["select_vlan"])),
        outputs[0] if outputs else "",
        row["output_vlan"] if not outputs else None,
        row["snaplen"] or 0,
    )
