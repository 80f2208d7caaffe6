"""What is in the opaque context of a tunnel, decided by its size alone.

64 bits and more    version 8 | ingress port 16 | egress port 16 | datapath 24
24 to 63 bits       datapath 24; the receiver looks the egress port up again
"""

from __future__ import annotations

from typing import Final

from tulle.values import Encapsulation, Slice

FULL_BITS: Final = 64
DATAPATH: Final = Slice("tun_id", 0, 24)
EGRESS: Final = Slice("tun_id", 24, 16)
INGRESS: Final = Slice("tun_id", 40, 16)
VERSION: Final = Slice("tun_id", 56, 8)


def carries_ports(encapsulation: Encapsulation) -> bool:
    """Whether a context has room for the ports beside the datapath."""
    return encapsulation.context_bits >= FULL_BITS


def context(encapsulation: Encapsulation, datapath: int, egress: int, version: int = 0) -> int:
    """The constant part of a context: all but the ingress port, which the packet brings along."""
    if not carries_ports(encapsulation):
        return datapath
    return version << VERSION.start | egress << EGRESS.start | datapath
