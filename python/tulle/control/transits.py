"""The flows of a port on its way: its device is served here, but others look for it at another node.

The node that a port leaves goes on to take what its device sends, and sends on what still comes for it.
The node that it comes to has the same ready, and delivers what is sent on.
Broadcasts are not sent on: they would come twice where the sender already knows both nodes.
"""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import (
    Action,
    Controller,
    Flow,
    Output,
    OutputInPort,
    Resubmit,
    TunnelPort,
    fields,
    flow,
)
from tulle.values.pipeline import (
    OUTPUT,
    PHYSICAL_INGRESS,
    REDIRECT,
    TUNNEL_DELIVERY,
)

from .devices import Device, delivery_flows

ACTIVATE = "activate"
"""The reason for which a port's first packet is handed to the agent."""
ACTIVATIONS_PER_S = 5
KERNEL_GROUPS = ("33:33:00:00:00:02", "33:33:00:00:00:16")
"""Linux speaks to these (router solicitation, multicast listener reports) as soon as a device is up; that says nothing
of the workload."""
KERNEL_PROBE: dict[str, int | str] = {"dl_type": 0x86DD, "nw_proto": 58, "icmpv6_type": 135, "ipv6_src": "::"}
"""Nor does its question whether somebody has its new address (RFC 4862 section 5.4)."""


def leaving_flows(
    metadata: int, key: int, device: Device, owner: str, mark: tuple[Action, ...], tunnel: TunnelPort
) -> Iterator[Flow]:
    """What comes out of a tunnel for a port that has left goes to where it is, as if it came from its sender.

    It keeps its device until nothing comes any more, so that its last counters can be read.
    """
    here = fields(metadata=metadata, reg15=key)
    yield from delivery_flows(metadata, key, device, owner)
    for table, priority in ((OUTPUT, 95), (TUNNEL_DELIVERY, 100)):
        yield flow(table, priority, here, (Resubmit(REDIRECT),), owner)
    yield flow(REDIRECT, 100, here, (*mark, Output(tunnel)), owner)
    # The node that has the port now may not have known it when it sent this.
    yield flow(REDIRECT, 110, fields(here, in_port=tunnel), (*mark, OutputInPort()), owner)


def coming_flows(
    metadata: int, key: int, device: Device, owner: str, inward: tuple[Action, ...]
) -> Iterator[Flow]:
    """What the old node sends on is delivered, by way of `inward`; what begins here goes to the old node."""
    here = fields(metadata=metadata, reg15=key)
    for table, priority in ((OUTPUT, 95), (TUNNEL_DELIVERY, 100)):
        yield flow(table, priority, here, inward, owner)
    yield from delivery_flows(metadata, key, device, owner)


def returning_flow(metadata: int, key: int, localnet: int, owner: str, onward: tuple[Action, ...]) -> Flow:
    """What still comes from a physical network for a port that is to be found there does not go back into it."""
    return flow(OUTPUT, 105, fields(metadata=metadata, reg15=key, reg14=localnet), onward, owner)


def ingress_flows(
    device: Device, entry: tuple[Action, ...], owner: str, *, activates: bool
) -> Iterator[Flow]:
    """What its device sends is taken as that of any other port, and heard of if it is to switch the port over."""
    here, rank = device.match, device.rank
    told = (Controller(ACTIVATE, ACTIVATIONS_PER_S),) if activates else ()
    yield flow(PHYSICAL_INGRESS, 100 + rank, here, (*told, *entry), owner)
    if activates:
        for group in KERNEL_GROUPS:
            yield flow(PHYSICAL_INGRESS, 105 + rank, fields(here, dl_dst=group), entry, owner)
        yield flow(PHYSICAL_INGRESS, 105 + rank, fields(here, **KERNEL_PROBE), entry, owner)
