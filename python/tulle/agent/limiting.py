"""What the limits of ports have dropped: counters of meters, in the form of flows that end packets.

So what becomes of counters when flows go, come again or move holds for them too.  A broadcast that a limit lets
pass is not counted: it passes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tulle.control import limit_owner
from tulle.openflow import DumpedFlow
from tulle.openflow.flows import limit_meter
from tulle.openflow.meter_stats import Metered
from tulle.values import LocalPort, TunnelPort, cookie_for
from tulle.values.pipeline import FROM_PORT_LIMIT, TO_PORT_LIMIT

DIRECTIONS = (("from-port", FROM_PORT_LIMIT), ("to-port", TO_PORT_LIMIT))
METERED = "meter="


def limit_flows(
    ports: Mapping[LocalPort | TunnelPort, int], found: Mapping[int, Metered]
) -> Iterator[DumpedFlow]:
    """For each meter of a port here one flow, which stands for what the meter has dropped."""
    for port, number in ports.items():
        if isinstance(port, LocalPort):
            for to_port, (direction, table) in enumerate(DIRECTIONS):
                meter = int(limit_meter(number, to_port=bool(to_port)))
                if meter in found:
                    yield _flow(limit_owner(port.name, direction), table, meter, found[meter])


def _flow(owner: str, table: int, meter: int, one: Metered) -> DumpedFlow:
    text = f"cookie={cookie_for(owner):#x},table={table},{METERED}{meter} actions=drop"
    return DumpedFlow(text, one.packets, one.bytes, one.duration_s)
