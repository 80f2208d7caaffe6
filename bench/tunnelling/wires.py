"""The two wires: one with all that a modern network card can do, one with what the card of 2012 could."""

from __future__ import annotations

from typing import Literal

from switching.spaces import command, inside

from tunnelling.hosts import Link, Rig

Wire = Literal["A", "B"]
WIRES: tuple[Wire, ...] = ("A", "B")
TUNNEL_OFFLOADS = (
    "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation",
    "tx-gre-segmentation",
    "tx-gre-csum-segmentation",
    "tx-udp-segmentation",
)
"""What wire B lacks: it cuts TCP, nothing else."""


def use(rig: Rig, wire: Wire) -> None:
    """Turn a rig's wire into this one."""
    for link in rig.wire:
        _switch(link, {"gro": True} | dict.fromkeys(TUNNEL_OFFLOADS, wire == "A"))


def as_switches_tell(wire: Wire) -> str:
    """What ours say of a device that is the end of such a wire, in the text of `tulle-capabilities`."""
    return 'wire/udp-tunnel-segmentation\\":\\"' + ("yes" if wire == "A" else "no")


def without_checksums(space: str, device: str) -> None:
    """Have a device finish checksums itself, for a switch that takes frames as they come."""
    _switch((space, device), {"tx": False})


def _switch(link: Link, features: dict[str, bool]) -> None:
    space, device = link
    words = [word for name, is_on in features.items() for word in (name, "on" if is_on else "off")]
    command(*inside(space, "ethtool", "-K", device, *words))
