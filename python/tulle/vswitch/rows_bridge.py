"""Rows of table Bridge as a bridge's settings."""

from __future__ import annotations

from hashlib import blake2b

from tulle.vswitch.configuration import BridgeSettings, FailMode, TableSettings, wire_versions
from tulle.vswitch.rows_controller import controllers
from tulle.vswitch.rows_interface import is_unicast
from tulle.vswitch.rows_reference import Row, Tables, integer
from tulle.vswitch.rows_telemetry import telemetry

LONGEST_BUSY_POLL_US = 3_600_000_000
MOST_THREADS = 64
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
        flow_tables(tables, row),
        row["other_config"].get("dp-desc", "None"),
        row["other_config"].get("dp-sn", "None"),
        busy_poll_us(tables, row),
        threads(tables, row),
        telemetry(tables, row, datapath_id(row, system))[0],
    )


def flow_tables(tables: Tables, row: Row) -> tuple[TableSettings, ...]:
    """The rows of table Flow_Table that the bridge refers to, in order of the tables' numbers."""
    rows = tables.get("Flow_Table", {})
    found = [(number, rows[uuid]) for number, uuid in sorted(row["flow_tables"].items()) if uuid in rows]
    return tuple(
        TableSettings(
            number,
            one["name"],
            one["flow_limit"],
            one["overflow_policy"] == "evict",
            tuple(sorted(one["groups"])),
        )
        for number, one in found
    )


def busy_poll_us(tables: Tables, row: Row) -> int | None:
    """`other_config:busy-poll-us` of the bridge, or else of the root row; it is no key of Open vSwitch."""
    time_us = _of_bridge_or_root(tables, row, "busy-poll-us", 0, LONGEST_BUSY_POLL_US)
    return time_us if time_us >= 0 else None


def threads(tables: Tables, row: Row) -> int:
    """`other_config:n-threads` of the bridge, or else of the root row, or else 1; it is no key of Open vSwitch."""
    return max(1, _of_bridge_or_root(tables, row, "n-threads", 1, MOST_THREADS))


def _of_bridge_or_root(tables: Tables, row: Row, key: str, lowest: int, highest: int) -> int:
    """The number, where it is said within bounds, or else -1."""
    for one in (row, *tables["Open_vSwitch"].values()):
        if (number := integer(one, key, -1, lowest, highest)) >= 0:
            return number
    return -1


def problems(tables: Tables, row: Row) -> list[str]:
    """What the row, and those that it refers to, ask for and do not get."""
    found = list(telemetry(tables, row, 0)[1])
    if row["stp_enable"]:
        found.append("stp_enable: the spanning tree protocol is not supported")
    if row["rstp_enable"]:
        found.append("rstp_enable: the rapid spanning tree protocol is not supported")
    if row["mcast_snooping_enable"]:
        found.append("mcast_snooping_enable: multicast snooping is not supported; multicast is flooded")
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
