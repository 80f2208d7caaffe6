"""Feature: what a port sends is marked; how much it may send and get is kept to where it is plugged in.

A packet comes here once its port is known, before anything else looks at it, and goes on to port security or ACLs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import FieldMatch, Flow, LogicalSwitch, Match, Resubmit, SetField, fields, flow
from tulle.values.pipeline import FROM_PORT_ACL, FROM_PORT_MARK, PORT_SECURITY

from .match import expand_match, families
from .view import Station, View

BURST_MIN_KBIT: Final = 525
"""The largest packet that a workload hands over at once (65,535 bytes): what is larger than a burst never passes."""
FIRST_PRIORITY: Final = 1000
ANY: Final = 10


def qos_flows(view: View, switch: LogicalSwitch, station: Station) -> Iterator[Flow]:
    """What marks the packets of a port."""
    port = station.port
    if port is None or port.qos is None or not port.qos.marks:
        return
    at = fields(metadata=view.datapath(switch.name), reg14=station.key)
    onward = (Resubmit(PORT_SECURITY if port.port_security else FROM_PORT_ACL),)
    owner = view.owner("marking", port.name)
    for place, marking in enumerate(port.qos.markings):
        for match in _of_ip(marking.match):
            here = fields((*at, *match))
            yield flow(FROM_PORT_MARK, FIRST_PRIORITY - place, here, (_mark(marking.dscp), *onward), owner)
    if port.qos.dscp is not None:
        for match in _of_ip(Match("ip")):
            yield flow(FROM_PORT_MARK, ANY, fields((*at, *match)), (_mark(port.qos.dscp), *onward), owner)
    yield flow(FROM_PORT_MARK, 0, at, onward, station.owner)


def _mark(dscp: int) -> SetField:
    return SetField("ip_dscp", dscp)


def _of_ip(match: Match) -> Iterator[tuple[FieldMatch, ...]]:
    """The packets of a match that have a DSCP."""
    if match == Match():
        match = Match("ip")
    if {"ip4", "ip6"} & families(match):
        yield from (one for one in expand_match(match) if not any(_is_arp(field) for field in one))


def _is_arp(one: FieldMatch) -> bool:
    return one.field.startswith("arp") or (one.field == "dl_type" and one.value == 0x0806)
