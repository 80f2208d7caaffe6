"""Flows as the compilers give them: symbolic ports, fields by their ovs-ofctl names.

Field values are numbers, or text for addresses; masks have the form of their values.  An edge
elsewhere turns them into OpenFlow.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from .shaping import Limit


class LocalPort(Struct, frozen=True, tag=True):
    """The switch port of a logical port on this node; `name` is `network/port`."""

    name: str


def physical_port(name: str) -> LocalPort:
    """The switch port by which this node has a physical network; no logical port can have such a name."""
    return LocalPort(f"/{name}")


class TunnelPort(Struct, frozen=True, tag=True):
    """The switch port of a tunnel to `node`; there may be one for each encapsulation.

    What goes there takes the one between the second endpoints where the first does not work.
    """

    node: str
    encapsulation: str
    second: bool = False


class Zone(Struct, frozen=True, tag=True):
    """The zone of connection tracking in which translations of a logical port are; `name` is `network/port`."""

    name: str


Value = int | str | LocalPort | TunnelPort | Zone


class FieldMatch(Struct, frozen=True):
    """`field` equals `value` where `mask` (None: everywhere) has ones."""

    field: str
    value: Value
    mask: int | str | None = None


class Slice(Struct, frozen=True):
    """Bits `start` .. `start + bits - 1` of a field; bit 0 is the lowest."""

    field: str
    start: int
    bits: int


class SetField(Struct, frozen=True, tag=True):
    """Write a constant into the whole field; of a port that is its number."""

    field: str
    value: Value


class Move(Struct, frozen=True, tag=True):
    """Copy bits between fields; both slices have the same size."""

    src: Slice
    dst: Slice


class DecTtl(Struct, frozen=True, tag=True):
    """Decrement the IPv4 TTL or IPv6 hop limit."""


class Output(Struct, frozen=True, tag=True):
    """Send a copy out of a port."""

    port: LocalPort | TunnelPort


class OutputInPort(Struct, frozen=True, tag=True):
    """Send a copy back to where the packet came from."""


class PushVlan(Struct, frozen=True, tag=True):
    """Tag the packet (IEEE 802.1Q) with a VLAN, outside of what tags it has."""

    vlan: int


class PopVlan(Struct, frozen=True, tag=True):
    """Take the outermost tag away."""


class Resubmit(Struct, frozen=True, tag=True):
    """Go on in `table`, then come back to the next action."""

    table: int


class Controller(Struct, frozen=True, tag=True):
    """Hand the packet to the agent; `reason` says what it has to answer.

    At most `rate` packets a second are handed over of one owner, or of all flows with the same `share` together;
    0 leaves that to the agent.
    """

    reason: str
    rate: int = 0
    share: str = ""


class Track(Struct, frozen=True, tag=True):
    """Ask connection tracking in the zone that the slice holds, and go on in `table` with what it says.

    With `nat`, a packet of a connection whose addresses are translated is translated too.
    """

    table: int
    zone: Slice
    nat: bool = False


class Untrack(Struct, frozen=True, tag=True):
    """Forget what connection tracking has said of the packet."""


class Commit(Struct, frozen=True, tag=True):
    """Remember the packet's connection in a zone, with this mark; the packet goes on as it is."""

    zone: Slice
    mark: int


class Translate(Struct, frozen=True, tag=True):
    """Remember the packet's connection in a zone as one whose `end` is translated to an address; go on in `table`.

    `port` is the transport port, None where it stays if it can.
    """

    table: int
    zone: Slice
    end: Literal["src", "dst"]
    address: str
    port: int | None = None


class Meter(Struct, frozen=True, tag=True):
    """Let no more pass than `limit` says; the meter is that of a port in one direction, wherever it is used."""

    port: LocalPort
    to_port: bool
    limit: Limit


class Choose(Struct, frozen=True, tag=True):
    """Write one of 0 … `count` - 1 into a register's bits: the same for all packets that agree in what is hashed.

    That is the source address, or what tells a connection from others.
    """

    into: Slice
    count: int
    by: Literal["source", "connection"]
    basis: int = 0


class Learn(Struct, frozen=True, tag=True):
    """Have the switch add a flow to `table`, in place of one for the same packets.

    Packets that match, and agree with this one in the fields `same`, get `value` in the bits `into`.  It goes when no
    packet has met it for `idle_s` seconds.  Of all that learn in the name of `share`, `limit` flows are there at most.
    """

    table: int
    match: tuple[FieldMatch, ...]
    same: tuple[str, ...]
    into: Slice
    value: int
    idle_s: int
    limit: int
    share: str


class Clause(Struct, frozen=True, tag=True):
    """One of the conditions, number `number` (from 1) of `of`, that together set `conj_id` to `id`."""

    id: int
    number: int
    of: int


Action = (
    SetField
    | Move
    | DecTtl
    | Output
    | OutputInPort
    | PushVlan
    | PopVlan
    | Resubmit
    | Controller
    | Track
    | Untrack
    | Commit
    | Translate
    | Choose
    | Learn
    | Meter
    | Clause
)


class Flow(Struct, frozen=True):
    """One entry of a table.  No actions means drop.

    `match` is in canonical order (by field name), so (table, priority, match) identifies a flow.
    `owner` names the logical object for people; `cookie` is its number, the same everywhere.
    """

    table: int
    priority: int
    match: tuple[FieldMatch, ...]
    actions: tuple[Action, ...]
    cookie: int
    owner: str

    @property
    def key(self) -> tuple[int, int, tuple[FieldMatch, ...]]:
        """What identifies this flow within a switch."""
        return (self.table, self.priority, self.match)


def cookie_for(owner: str) -> int:
    """The 64-bit number of an owner: the same in every process and release."""
    return int.from_bytes(blake2b(owner.encode(), digest_size=8).digest(), "big")


def fields(masked: tuple[FieldMatch, ...] = (), /, **exact: Value) -> tuple[FieldMatch, ...]:
    """A match in canonical order out of exact fields and ready-made masked ones."""
    made = [FieldMatch(name, value) for name, value in exact.items()]
    return tuple(sorted((*masked, *made), key=lambda one: one.field))


def flow(
    table: int, priority: int, match: tuple[FieldMatch, ...], actions: tuple[Action, ...], owner: str
) -> Flow:
    """A flow with the cookie of its owner."""
    return Flow(table, priority, match, actions, cookie_for(owner), owner)
