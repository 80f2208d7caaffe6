"""Feature: forwarding inside a logical switch by MAC address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import (
    FLOOD_KEY,
    FieldMatch,
    Flow,
    LogicalSwitch,
    Resubmit,
    SetField,
    fields,
    flow,
)
from tulle.values.pipeline import (
    DELIVER,
    FROM_PORT_ACL,
    FROM_PORT_DEFAULT,
    OUTPUT,
    RESPONDERS,
    ROUTER_INPUT,
    SWITCH_LOOKUP,
    TO_PORT_ACL,
    TO_PORT_DEFAULT,
)

from .view import Station, View

GROUP_BIT: Final = "01:00:00:00:00:00"
HAIRPIN_PRIORITY: Final = 65535
ACL_ENDS: Final = (
    (FROM_PORT_ACL, "from-port", RESPONDERS, FROM_PORT_DEFAULT),
    (TO_PORT_ACL, "to-port", DELIVER, TO_PORT_DEFAULT),
)


def switching_flows(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """What is there without any port: flooding of groups, and what ends a packet that goes nowhere."""
    datapath = view.datapath(switch.name)
    owner = view.owner("switch", switch.name)
    for table, direction, following, default in ACL_ENDS:
        onward: tuple[SetField | Resubmit, ...] = (Resubmit(following),)
        if direction in view.network.default_deny:
            onward = (SetField("reg13", 0), Resubmit(default))
        yield flow(table, 0, fields(metadata=datapath), onward, owner)
    yield _flood(datapath, owner)
    nowhere = view.owner("unknown destination", switch.name)
    yield flow(SWITCH_LOOKUP, 0, fields(metadata=datapath), (), nowhere)


def station_flows(view: View, switch: LogicalSwitch, station: Station) -> Iterator[Flow]:
    """Lookup of a destination, and nothing back to where it came from."""
    datapath = view.datapath(switch.name)
    if station.port is None or station.port.localnet is None:
        yield _known(view, datapath, station)
    if station.router is None:
        yield _hairpin(datapath, station)


def _known(view: View, datapath: int, station: Station) -> Flow:
    match = fields(metadata=datapath, dl_dst=station.mac)
    if station.router is None or station.router_port is None:
        actions: tuple[SetField | Resubmit, ...] = (SetField("reg15", station.key), Resubmit(OUTPUT))
    else:
        actions = (
            SetField("metadata", view.datapath(station.router)),
            SetField("reg14", view.key(station.router, station.router_port)),
            Resubmit(ROUTER_INPUT),
        )
    return flow(SWITCH_LOOKUP, 100, match, actions, station.owner)


def _flood(datapath: int, owner: str) -> Flow:
    match = fields((FieldMatch("dl_dst", GROUP_BIT, GROUP_BIT),), metadata=datapath)
    return flow(SWITCH_LOOKUP, 90, match, (SetField("reg15", FLOOD_KEY), Resubmit(OUTPUT)), owner)


def _hairpin(datapath: int, station: Station) -> Flow:
    match = fields(metadata=datapath, reg14=station.key, reg15=station.key)
    return flow(TO_PORT_ACL, HAIRPIN_PRIORITY, match, (), f"hairpin {station.owner.removeprefix('port ')}")
