"""Layer 2 in a file: tags, child ports, localnet ports, and how a switch treats groups."""

from __future__ import annotations

from typing import Final, cast, get_args

from msgspec.structs import replace

from tulle.values import LogicalPort, LogicalSwitch, Multicast
from tulle.values.network import Vlan

from .file_services import choice, wanted
from .reader import Complaints, Section

SWITCH_LAYER2_KEYS: Final = ("vlan", "multicast")
PORT_LAYER2_KEYS: Final = ("parent", "tag", "localnet")
MULTICAST_KEYS: Final = ("flood_unregistered", "querier", "query_s", "idle_s")
TAG_MIN, TAG_MAX = 1, 4094
QUERY_MIN_S, QUERY_MAX_S = 1, 3600
IDLE_MIN_S, IDLE_MAX_S = 2, 7200


def with_layer2(switch: LogicalSwitch, section: Section, complaints: Complaints) -> LogicalSwitch:
    """The switch with what it does with tags and groups."""
    vlan = cast(Vlan, choice(section, "vlan", get_args(Vlan)))
    found = wanted(section, "multicast", MULTICAST_KEYS, complaints)
    return replace(switch, vlan=vlan, multicast=None if found is None else _multicast(found))


def with_place_at_parent(port: LogicalPort, section: Section) -> LogicalPort:
    """The port with its parent, or its physical network, and its tag there."""
    tag = section.integer("tag", None, TAG_MIN, TAG_MAX) if section.child("tag") is not None else None
    parent, localnet = section.optional_text("parent"), section.optional_text("localnet")
    return replace(port, parent=parent, tag=tag, localnet=localnet)


def _multicast(own: Section) -> Multicast:
    usual = Multicast()
    return Multicast(
        own.boolean("flood_unregistered"),
        own.boolean("querier") if own.child("querier") is not None else usual.querier,
        own.integer("query_s", usual.query_s, QUERY_MIN_S, QUERY_MAX_S),
        own.integer("idle_s", usual.idle_s, IDLE_MIN_S, IDLE_MAX_S),
    )
