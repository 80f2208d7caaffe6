"""What is in the opaque context of a tunnel, decided by its size alone.

64 bits and more    version 8 | ingress port 16 | egress port 16 | datapath 24
32 to 63 bits       version 8 | datapath 24; the receiver looks the egress port up again
24 to 31 bits       datapath 24; the receiver also says in which version of its network the packet is
"""

from __future__ import annotations

from typing import Final

from tulle.values import Encapsulation, Ids, Slice

FULL_BITS: Final = 64
VERSION_BITS: Final = 8
DATAPATH_BITS: Final = 24
DATAPATH: Final = Slice("tun_id", 0, DATAPATH_BITS)
EGRESS: Final = Slice("tun_id", 24, 16)
INGRESS: Final = Slice("tun_id", 40, 16)
VERSION: Final = Slice("tun_id", 56, VERSION_BITS)
SHORT_VERSION: Final = Slice("tun_id", DATAPATH_BITS, VERSION_BITS)


def carries_ports(encapsulation: Encapsulation) -> bool:
    """Whether a context has room for the ports beside the datapath."""
    return encapsulation.context_bits >= FULL_BITS


def version_place(encapsulation: Encapsulation) -> Slice | None:
    """Where a context has the version; None where it has no room for one."""
    if carries_ports(encapsulation):
        return VERSION
    return SHORT_VERSION if encapsulation.context_bits >= DATAPATH_BITS + VERSION_BITS else None


def context(encapsulation: Encapsulation, datapath: int, egress: int, version: int = 0) -> int:
    """The constant part of a context: all but the ingress port, which the packet brings along."""
    place = version_place(encapsulation)
    number = datapath if place is None else version << place.start | datapath
    return number | egress << EGRESS.start if carries_ports(encapsulation) else number


def in_version(datapath: int, version: int) -> int:
    """What `metadata` holds while a packet is at a datapath, in a version of its network."""
    return version << DATAPATH_BITS | datapath


def versioned(ids: Ids, version: int) -> Ids:
    """The numbers by which flows of a version know the datapaths."""
    if not version:
        return ids
    return Ids({name: in_version(number, version) for name, number in ids.datapaths.items()}, ids.ports)
