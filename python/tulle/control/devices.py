"""Where the frames of a logical port come in and leave at a switch: a port of the switch, and there perhaps a VLAN.

A workload has its switch port for itself.  A child port shares that of its parent, and a localnet port that of the
physical network: these are told apart by their tags (IEEE 802.1Q), which exist only outside of the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from tulle.values import (
    Action,
    FieldMatch,
    Flow,
    LocalPort,
    LogicalPort,
    Output,
    OutputInPort,
    PopVlan,
    PushVlan,
    fields,
    flow,
    physical_port,
)
from tulle.values.pipeline import ANSWER, DELIVER

VLAN_PRESENT: Final = 0x1000
VLAN_ID: Final = 0x0FFF
BESIDE_PARENT: Final = 20
"""How much higher flows for frames with a tag, or those without one, are than those for whatever comes in there."""


class Device(Struct, frozen=True):
    """A port of the switch; `vlan` is the tag of what belongs to the logical port, 0 for what has none.

    Without `vlan` all that comes in there belongs to it.
    """

    port: LocalPort
    vlan: int | None = None

    @property
    def match(self) -> tuple[FieldMatch, ...]:
        """What comes in by it."""
        if self.vlan is None:
            return fields(in_port=self.port)
        if self.vlan == 0:
            return fields((FieldMatch("vlan_tci", 0, VLAN_PRESENT),), in_port=self.port)
        tag = FieldMatch("vlan_tci", VLAN_PRESENT | self.vlan, VLAN_PRESENT | VLAN_ID)
        return fields((tag,), in_port=self.port)

    @property
    def is_physical(self) -> bool:
        """Whether a physical network is there, and no workload."""
        return self.port.name.startswith("/")

    @property
    def rank(self) -> int:
        """To be added to the priorities of flows with that match."""
        return 0 if self.vlan is None else BESIDE_PARENT

    @property
    def taken(self) -> tuple[Action, ...]:
        """What is done with a frame that comes in."""
        return (PopVlan(),) if self.vlan else ()

    @property
    def sent(self) -> tuple[Action, ...]:
        """A copy leaves by it; the frame is then as it was."""
        return self._tagged(Output(self.port))

    @property
    def sent_back(self) -> tuple[Action, ...]:
        """The same where the frame has come in by that port of the switch (OpenFlow 1.3.5 section 5.4)."""
        return self._tagged(OutputInPort())

    def _tagged(self, out: Action) -> tuple[Action, ...]:
        return (PushVlan(self.vlan), out, PopVlan()) if self.vlan else (out,)


def device_of(network: str, port: LogicalPort) -> Device:
    """The device of a logical port, wherever it is."""
    if port.localnet is not None:
        return Device(physical_port(port.localnet), port.tag or 0)
    if port.parent is not None:
        return Device(LocalPort(f"{network}/{port.parent}"), port.tag)
    return Device(LocalPort(f"{network}/{port.name}"))


def delivery_flows(metadata: int, key: int, device: Device, owner: str) -> Iterator[Flow]:
    """The end of the pipeline at a port that is here, and how answers get there that are made on the spot."""
    here = fields(metadata=metadata, reg15=key)
    yield flow(DELIVER, 100, here, device.sent, owner)
    if not device.is_physical:
        # A router may send back to where a packet came from; plain output there does nothing
        # (OpenFlow 1.3.5 section 5.4).
        yield flow(DELIVER, 110, fields(here, in_port=device.port), device.sent_back, owner)
    if device.vlan and not device.is_physical:
        yield flow(ANSWER, 100, fields(metadata=metadata, reg14=key), device.sent_back, owner)
