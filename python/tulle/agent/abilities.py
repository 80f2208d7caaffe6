"""What the local switch can do, as its database says; the agent asks for nothing else of it.

A switch lists the interface and datapath types that it has in its root row (ovs-vswitchd.conf.db(5)).
Ours names its encapsulations there too, in `external_ids:tulle-encapsulations`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tulle.store import Source

OURS = "tulle-encapsulations"
CAPABILITIES = "tulle-capabilities"
LISTED_ONLY = frozenset({"stt"})
"""Types that Open vSwitch lists without code behind them: its STT was in a kernel module of its own, which
neither Linux nor its userspace datapath has, and the type went with release 3.6."""


def spoken(asked: Iterable[str], source: Source) -> tuple[str, ...]:
    """The encapsulations among those asked for that the switch has; all of them while it does not say."""
    for row in source("Open_vSwitch"):
        if OURS in row["external_ids"]:
            able = frozenset(row["external_ids"][OURS].split(","))
        else:
            able = frozenset(row["iface_types"]) - LISTED_ONLY
        if able:
            return tuple(name for name in asked if name in able)
    return tuple(asked)


def capabilities(source: Source) -> dict[str, str]:
    """What the switch has found that kernel and underlay can do, by name; nothing where it does not say."""
    for row in source("Open_vSwitch"):
        try:
            return msgspec.json.decode(row["external_ids"].get(CAPABILITIES, "{}"), type=dict[str, str])
        except msgspec.DecodeError:
            return {}
    return {}


def datapath_type(source: Source) -> str:
    """The type of the integration bridge: the switch's default, else the userspace datapath."""
    for row in source("Open_vSwitch"):
        if row["datapath_types"] and "system" not in row["datapath_types"]:
            return "netdev"
    return ""
