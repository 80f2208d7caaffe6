"""Numbers that stand for logical objects in contexts and registers.

Datapath names are `network/switch` and `network/router`; port names are `network/datapath/port`.
A router port has a number on its router and another one on its switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

DATAPATH_MAX: Final = 0xFF_FFFF
PORT_KEY_MAX: Final = 0x7FFF
FLOOD_KEY: Final = 0xFFFF
MULTICAST_KEY: Final = 0xFFFE


class Ids(Struct, frozen=True):
    """`datapaths`: name -> 1..2^24-1, unique everywhere.  `ports`: name -> 1..32767, unique per datapath."""

    datapaths: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
