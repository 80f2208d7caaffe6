"""The flows that keep a port to what it may send and get, at the node where it is plugged in.

What a port is sent goes through its limit last of all, but for broadcasts and multicasts: one packet is sent to
several ports there, and what one port has too much of would be lost for all of them.
A child port is held to the rates of its parent together with that, as a meter is of a port of the switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from tulle.values import (
    FieldMatch,
    Flow,
    Limit,
    LocalPort,
    LogicalPort,
    Meter,
    Qos,
    Rate,
    Resubmit,
    fields,
    flow,
)
from tulle.values.pipeline import DELIVER, FROM_PORT_LIMIT, FROM_PORT_MARK, TO_PORT_LIMIT

from .devices import Device

TO_ONE: Final = FieldMatch("dl_dst", "00:00:00:00:00:00", "01:00:00:00:00:00")
BURST_USUAL_KBIT: Final = 1050
"""Two of the largest packets that a workload hands over."""
BURST_S: Final = 0.1
Here = tuple[FieldMatch, ...]


def shared(port: LogicalPort, found: Mapping[str, Qos]) -> Qos | None:
    """What a port is held to and marked with; `found` has what is asked of ports, by name."""
    if port.parent is None or port.parent not in found:
        return port.qos
    held = found[port.parent]
    return replace(port.qos or Qos(), from_port=held.from_port, to_port=held.to_port)


def entry_table(qos: Qos | None, following: int) -> int:
    """Where what a port sends goes first; `following` where nothing is asked of it."""
    if qos is not None and qos.from_port is not None:
        return FROM_PORT_LIMIT
    return _marking_table(qos, following)


def sent_flows(name: str, qos: Qos | None, here: Here, following: int) -> Iterator[Flow]:
    """The limit of what a port sends; `name` is `network/port`."""
    if qos is not None and qos.from_port is not None:
        meter = Meter(LocalPort(name), False, limit(qos.from_port))
        onward = Resubmit(_marking_table(qos, following))
        yield flow(FROM_PORT_LIMIT, 100, here, (meter, onward), limit_owner(name, "from-port"))


def delivered_flows(device: Device, qos: Qos | None, here: Here, owner: str) -> Iterator[Flow]:
    """The limit of what a port gets by its device."""
    if qos is not None and qos.to_port is not None:
        port, limited = device.port, limit_owner(device.port.name, "to-port")
        meter = Meter(port, True, limit(qos.to_port))
        yield flow(DELIVER, 115, fields((*here, TO_ONE)), (Resubmit(TO_PORT_LIMIT),), owner)
        yield flow(TO_PORT_LIMIT, 100, here, (meter, *device.sent), limited)
        yield flow(TO_PORT_LIMIT, 110, fields(here, in_port=port), (meter, *device.sent_back), limited)


def limit(rate: Rate) -> Limit:
    """What a meter is to let pass: without a burst, a tenth of a second, and never less than two large packets."""
    usual = max(BURST_USUAL_KBIT, int(rate.rate_kbps * BURST_S))
    return Limit(rate.rate_kbps, rate.burst_kbit or usual)


def limit_owner(name: str, direction: str) -> str:
    """How flows and counters name the limit of a port, `network/port`."""
    return f"limit {name}/{direction}"


def _marking_table(qos: Qos | None, following: int) -> int:
    return FROM_PORT_MARK if qos is not None and qos.marks else following
