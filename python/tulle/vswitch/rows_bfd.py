"""Column `bfd` of table Interface as a session's settings, and `bfd_status` as a session is.

As in Open vSwitch, a value that cannot be is as if it were absent (ovs-vswitchd.conf.db(5), table Interface).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

import msgspec

from tulle.vswitch.configuration import BfdSettings
from tulle.vswitch.rows_reference import Row, is_true

LONGEST_MS = 0xFFFF_FFFF // 1000
"""Packets say intervals in microseconds."""
MOST_MULTIPLIER = 255
_MAC_DIGITS = 12


def bfd_settings(interface: Row) -> BfdSettings | None:
    """What an Interface row asks for; None where it asks for no session."""
    options: Mapping[str, str] = interface.get("bfd", {})
    if not options or not is_true(interface, "enable", "bfd"):
        return None
    usual = BfdSettings()
    return BfdSettings(
        min_rx_ms=_number(options, "min_rx", usual.min_rx_ms, 1, LONGEST_MS),
        min_tx_ms=_number(options, "min_tx", usual.min_tx_ms, 1, LONGEST_MS),
        decay_min_rx_ms=_number(options, "decay_min_rx", 0, 0, LONGEST_MS),
        multiplier=_number(options, "mult", usual.multiplier, 1, MOST_MULTIPLIER),
        forwarding_if_rx=is_true(interface, "forwarding_if_rx", "bfd"),
        cpath_down=is_true(interface, "cpath_down", "bfd"),
        check_key=is_true(interface, "check_tnl_key", "bfd"),
        oam=is_true(interface, "oam", "bfd"),
        source_mac=_mac(options, "bfd_local_src_mac"),
        destination_mac=_mac(options, "bfd_local_dst_mac"),
        accepted_mac=_mac(options, "bfd_remote_dst_mac"),
        source=_address(options, "bfd_src_ip", usual.source),
        destination=_address(options, "bfd_dst_ip", usual.destination),
    )


def bfd_status(session: Mapping[str, Any] | None) -> dict[str, str]:
    """The column `bfd_status`, from what the native switch tells; empty without a session."""
    if session is None:
        return {}
    local, remote = session["local"], session["remote"]
    return {
        "forwarding": str(session["forwarding"]).lower(),
        "flap_count": str(session["flaps"]),
        "state": local["state"],
        "diagnostic": local["diagnostic"],
        "remote_state": remote["state"],
        "remote_diagnostic": remote["diagnostic"],
    }


def native(settings: BfdSettings | None) -> dict[str, Any] | None:
    """As `Switch.watch_health` takes it."""
    return None if settings is None else msgspec.structs.asdict(settings)


def _number(options: Mapping[str, str], key: str, usual: int, lowest: int, highest: int) -> int:
    try:
        number = int(options.get(key, usual))
    except ValueError:
        return usual
    return number if lowest <= number <= highest else usual


def _mac(options: Mapping[str, str], key: str) -> str | None:
    text = options.get(key, "").lower()
    digits = text.replace(":", "")
    is_mac = len(digits) == _MAC_DIGITS and set(digits) <= set("0123456789abcdef")
    return text if is_mac and len(text.split(":")) == _MAC_DIGITS // 2 and int(digits, 16) else None


def _address(options: Mapping[str, str], key: str, usual: str) -> str:
    try:
        return str(IPv4Address(options.get(key, usual)))
    except ValueError:
        return usual
