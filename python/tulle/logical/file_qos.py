"""How much a port may send and get, and what its packets are marked with, in a file: shapes only."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from tulle.values import LogicalPort, Marking, Qos, Rate

from . import tree
from .file_routing import read_match
from .reader import Complaints, Section

QOS_KEYS: Final = ("from_port", "to_port", "dscp", "markings")
RATE_MAX_KBPS: Final = 400_000_000
BURST_MAX_KBIT: Final = 400_000_000
DSCP_MAX: Final = 63


def with_qos(port: LogicalPort, section: Section, complaints: Complaints) -> LogicalPort:
    """The port with what it is held to."""
    node = section.child("qos")
    if node is None:
        return port
    own = Section(node, "qos", QOS_KEYS, complaints)
    dscp = own.integer("dscp", 0, 0, DSCP_MAX) if own.child("dscp") is not None else None
    markings = tuple(_marking(one, complaints) for one in own.items("markings"))
    made = Qos(_rate(own, "from_port", complaints), _rate(own, "to_port", complaints), dscp, markings)
    return replace(port, qos=None if made == Qos() else made)


def _rate(section: Section, key: str, complaints: Complaints) -> Rate | None:
    node = section.child(key)
    if node is None:
        return None
    own = Section(node, "rate", ("rate_kbps", "burst_kbit"), complaints)
    return Rate(
        own.integer("rate_kbps", None, 1, RATE_MAX_KBPS), own.integer("burst_kbit", 0, 0, BURST_MAX_KBIT)
    )


def _marking(node: tree.Tree, complaints: Complaints) -> Marking:
    own = Section(node, "marking", ("match", "dscp"), complaints)
    return Marking(read_match(own, complaints), own.integer("dscp", None, 0, DSCP_MAX))
