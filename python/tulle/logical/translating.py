"""Flows that ask for a translation or begin one; who asks, and when, is for `nat` and `balancing` to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from ipaddress import ip_network
from typing import Final

from tulle.values import Action, FieldMatch, Flow, Nat, SetField, Slice, Track, Translate, fields, flow
from tulle.values.pipeline import (
    ETH_IPV4,
    ETH_IPV6,
    RETURN,
    RETURN_TRANSLATION,
    RETURNED,
    TRANSLATED,
    TRANSLATION,
)

from .match import prefix_field
from .view import View

OWNER: Final = "translation"
ZONE: Final = Slice("reg9", 0, 16)
ETH_TYPES: Final = {4: ETH_IPV4, 6: ETH_IPV6}
SOURCES: Final = {4: "nw_src", 6: "ipv6_src"}
TARGETS: Final = {4: "nw_dst", 6: "ipv6_dst"}
# ct_state, ovs-fields(7): tracked, and the first of its connection.
NEW: Final = FieldMatch("ct_state", 0x21, 0x21)
# The same, and its destination has not been translated.
NEW_AS_SENT: Final = FieldMatch("ct_state", 0x21, 0xA1)
MAY_ASK: Final = FieldMatch("reg8", 1)
HAIRPIN_PRIORITY: Final = 500
RETURN_PRIORITY: Final = 100
Matched = tuple[FieldMatch, ...]


def to(prefix: str) -> Matched:
    """Packets to an address or a prefix."""
    return _of(prefix, TARGETS)


def by(prefix: str) -> Matched:
    """Packets from an address or a prefix."""
    return _of(prefix, SOURCES)


def asks(table: int, priority: int, match: Matched, owner: str) -> Flow:
    """On the way out: these packets belong to a translated connection, or may begin one."""
    return flow(table, priority, fields((*match, MAY_ASK)), (Track(TRANSLATION, ZONE, nat=True),), owner)


def asks_on_return(address: str) -> Flow:
    """On the way to a port: packets from an address may belong to a translated connection.

    The same in all networks that translate, whoever has the address there: where nothing is known of a connection,
    asking for it changes nothing.
    """
    return flow(RETURN, 100, by(address), (Track(RETURN_TRANSLATION, ZONE, nat=True),), OWNER)


def asks_outside(view: View, switches: Iterable[str], prefix: str, owner: str) -> Iterator[Flow]:
    """On the way to a port of these switches: packets from `prefix` may begin a translated connection."""
    for switch in sorted(switches):
        match = fields(by(prefix), metadata=view.datapath(switch))
        yield flow(RETURN, 90, match, (Track(RETURN_TRANSLATION, ZONE, nat=True),), owner)


def from_address(view: View, switches: Iterable[str], prefix: str, nat: Nat, owner: str) -> Iterator[Flow]:
    """Connections from `prefix` that begin to ports of these switches come from a rule's external address.

    Of several rules, that with the longest prefix wins.
    """
    priority = RETURN_PRIORITY + ip_network(nat.logical).prefixlen
    actions = (Translate(RETURNED, ZONE, "src", nat.external),)
    for switch in sorted(switches):
        match = fields((*by(prefix), NEW), metadata=view.datapath(switch))
        yield flow(RETURN_TRANSLATION, priority, match, actions, owner)


def begins(external: str, address: str, port: int | None = None) -> tuple[Action, ...]:
    """On the way out: a connection to `external` begins, and goes to an address and perhaps a transport port."""
    return SetField("reg6", _mark(external)), Translate(TRANSLATED, ZONE, "dst", address, port)


def hairpins(view: View, switch: str, address: str, external: str, owner: str) -> Flow:
    """Who gets its own connection to `external` sees it come from there, so that it answers to there."""
    match = fields(
        (*by(address), *_bare(to(address)), NEW), metadata=view.datapath(switch), reg6=_mark(external)
    )
    actions = (Translate(RETURNED, ZONE, "src", external),)
    return flow(RETURN_TRANSLATION, HAIRPIN_PRIORITY, match, actions, owner)


def _mark(external: str) -> int:
    """A number for an address, so that a register can hold which one was asked for."""
    return int.from_bytes(blake2b(external.encode(), digest_size=4).digest(), "big")


def _bare(match: Matched) -> Matched:
    return tuple(one for one in match if one.field != "dl_type")


def _of(prefix: str, names: dict[int, str]) -> Matched:
    version = ip_network(prefix).version
    return fields(prefix_field(names[version], prefix), dl_type=ETH_TYPES[version])
