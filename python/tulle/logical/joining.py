"""Feature: a switch that a localnet port joins to a physical network, where others live that nobody has told of.

Frames to unknown addresses go there.  What comes from there is answered by nobody but who is asked: every node sees
it, and each would answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import FieldMatch, Flow, LogicalSwitch, Resubmit, SetField, fields, flow
from tulle.values.pipeline import OUTPUT, RESPONDERS, SWITCH_LOOKUP

from .responders import ARP_REQUEST, SOLICITATION
from .view import Station, View

FROM_TUNNEL: Final = FieldMatch("reg10", 1, 1)
FROM_THERE: Final = 190
PROBE: Final = 125
UNKNOWN: Final = 60


def joining_flows(view: View, switch: LogicalSwitch, station: Station) -> Iterator[Flow]:
    """What a localnet port changes on its switch."""
    if station.port is None or station.port.localnet is None:
        return
    datapath, owner = view.datapath(switch.name), station.owner
    onward = (Resubmit(SWITCH_LOOKUP),)
    yield flow(RESPONDERS, FROM_THERE, fields(metadata=datapath, reg14=station.key), onward, owner)
    for asked in (ARP_REQUEST, SOLICITATION):
        # The speaker passes on what comes from there; a tunnel without room for ports does not say so.
        passed_on = fields((FROM_TUNNEL,), metadata=datapath, reg14=0, **asked)
        yield flow(RESPONDERS, FROM_THERE, passed_on, onward, owner)
        yield flow(RESPONDERS, UNKNOWN, fields(metadata=datapath, **asked), onward, owner)
    probe = fields(metadata=datapath, ipv6_src="::", **SOLICITATION)
    yield flow(RESPONDERS, PROBE, probe, onward, owner)
    unknown = SetField("reg15", station.key), Resubmit(OUTPUT)
    yield flow(SWITCH_LOOKUP, 1, fields(metadata=datapath), unknown, owner)
