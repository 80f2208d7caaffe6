"""Feature: frames that a workload has tagged (IEEE 802.1Q).

Those of child ports have lost their tags before the logical pipeline begins.  All others end here, unless the switch
is to carry them as they are: a tagged frame that reached a parent would look there as if it came from the switch of
one of its children.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import FieldMatch, Flow, LogicalSwitch, fields, flow
from tulle.values.pipeline import FROM_PORT_ACL

from .view import View

IS_TAGGED: Final = FieldMatch("vlan_tci", 0x1000, 0x1000)
PRIORITY: Final = 65535


def tagging_flows(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """The end of tagged frames on a switch that refuses them."""
    if switch.vlan == "refuse":
        match = fields((IS_TAGGED,), metadata=view.datapath(switch.name))
        yield flow(FROM_PORT_ACL, PRIORITY, match, (), view.owner("tagged frame", switch.name))
