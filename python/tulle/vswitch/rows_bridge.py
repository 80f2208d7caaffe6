"""Rows of table Bridge as a bridge's settings."""

from __future__ import annotations

from hashlib import blake2b

from tulle.vswitch.configuration import BridgeSettings, FailMode, wire_versions
from tulle.vswitch.rows_controller import controllers
from tulle.vswitch.rows_interface import is_unicast
from tulle.vswitch.rows_reference import Row, Tables

LOCAL_BIT, GROUP_BIT = 0x02 << 40, 0x01 << 40


def bridge_settings(tables: Tables, row: Row, system: str) -> BridgeSettings:
    """What of a bridge can be changed; values that cannot be are as if they were absent."""
    fail_mode: FailMode = "secure" if row["fail_mode"] == "secure" else "standalone"
    return BridgeSettings(
        datapath_id(row, system),
        hardware_address(row, system),
        fail_mode,
        controllers(tables, row),
        tuple(sorted(row["protocols"])),
    )


def problems(row: Row) -> list[str]:
    """What the row asks for and does not get."""
    found = []
    if row["stp_enable"]:
        found.append("stp_enable: the spanning tree protocol is not supported")
    if row["rstp_enable"]:
        found.append("rstp_enable: the rapid spanning tree protocol is not supported")
    if row["mcast_snooping_enable"]:
        found.append("mcast_snooping_enable: multicast snooping is not supported; multicast is flooded")
    for column in ("netflow", "sflow", "ipfix", "flow_tables"):
        if row[column]:
            found.append(f"{column}: not supported yet")
    protocols = tuple(row["protocols"])
    if protocols and wire_versions(protocols) is None:
        found.append(
            f"protocols: of {', '.join(sorted(protocols))} none is spoken, so all that are may be used"
        )
    asked = row["other_config"].get("hwaddr")
    if asked is not None and not is_unicast(asked):
        found.append(f"other_config:hwaddr must be a unicast Ethernet address, not {asked!r}")
    return found


def datapath_id(bridge: Row, system: str) -> int:
    """The bridge's `other_config:datapath-id`, else a number made of the system's and the bridge's name."""
    asked = bridge["other_config"].get("datapath-id", "")
    try:
        if number := int(asked, 16) & 0xFFFF_FFFF_FFFF_FFFF:
            return number
    except ValueError:
        pass
    return _made_address(bridge, system)


def hardware_address(bridge: Row, system: str) -> str:
    """The bridge's `other_config:hwaddr`, else one made of the system's and the bridge's name."""
    asked = bridge["other_config"].get("hwaddr", "")
    if is_unicast(asked):
        return str(asked).lower()
    return _made_address(bridge, system).to_bytes(6, "big").hex(":")


def _made_address(bridge: Row, system: str) -> int:
    digest = blake2b(f"{system}/{bridge['name']}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") & ~(LOCAL_BIT | GROUP_BIT) | LOCAL_BIT
