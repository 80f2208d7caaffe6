"""Who has joined which group, of the ports of this node: learned from what they say, forgotten when they say no more.

What one port says of groups is sent on to multicast routers alone, what routers ask to everybody.  Without I/O; the
clock is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct

from tulle.agent.services.answering import to_port
from tulle.agent.slowpath import Answer
from tulle.logical.fill import derived_mac
from tulle.openflow import PacketIn
from tulle.values import FLOOD_KEY, ROUTER_GROUP, Membership, Multicast, pipeline

from .messages import Heard, emit_query, parse_message

GROUPS_MAX: Final = 256
"""Of one port; a host joins 20 unless it is told otherwise."""
LAST_WAIT_S: Final = 2.0
"""Who leaves is asked once more, as others may be behind the same port (RFC 3376 section 8.8)."""
SOURCE_MAC: Final = derived_mac("querier")
Reasons = Mapping[tuple[int, int], str]


class SnoopedSwitch(Struct, frozen=True):
    """A switch that snoops, in the version in which packets enter it; `ports` are those of this node by their keys.

    `silent` are ports that are no workloads: nothing is learned from them.
    """

    network: str
    name: str
    metadata: int
    multicast: Multicast
    ports: Mapping[int, str]
    silent: frozenset[int] = frozenset()


class Snooping:
    """`configure` in each pass, `listen` after it, `hear` for each packet that `concerns` it, `due` now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._switches: dict[int, SnoopedSwitch] = {}
        self._reasons: frozenset[tuple[int, int]] = frozenset()
        self._ends: dict[Membership, float] = {}
        self._asked: dict[tuple[int, int], float] = {}
        self._has_begun = False
        self._taken: set[tuple[str, Membership]] = set()

    @property
    def memberships(self) -> frozenset[Membership]:
        """Of the ports of this node."""
        return frozenset(self._ends)

    def listen(self, reasons: Reasons) -> None:
        """Know why flows hand packets up."""
        self._reasons = frozenset(key for key, reason in reasons.items() if reason == pipeline.MEMBERSHIP)

    def configure(self, switches: Iterable[SnoopedSwitch]) -> None:
        """Know these switches; what is of no port here any more is forgotten."""
        self._switches = {_datapath(one.metadata): one for one in switches}
        here = {
            (one.network, one.name, port) for one in self._switches.values() for port in one.ports.values()
        }
        self._ends = {
            one: end for one, end in self._ends.items() if (one.network, one.switch, one.port) in here
        }
        known = {(at, key) for at, one in self._switches.items() for key in one.ports}
        self._asked = {place: next_s for place, next_s in self._asked.items() if place in known}

    def adopt(self, told: Collection[tuple[str, Membership]], node: str) -> None:
        """Take over what another node has said of ports that are here now, and at the start what this one had said."""
        here = {
            (one.network, one.name, port): one.multicast.idle_s
            for one in self._switches.values()
            for port in one.ports.values()
        }
        self._taken &= set(told)
        for at, one in told if here else ():
            idle_s = here.get((one.network, one.switch, one.port))
            is_new = (at, one) not in self._taken and (at != node or not self._has_begun)
            if idle_s is not None and is_new:
                # Once: what a node that is no more has said must end some time.
                self._taken.add((at, one))
                self._ends.setdefault(one, self._clock() + idle_s)
        self._has_begun = True

    def concerns(self, packet: PacketIn) -> bool:
        """Whether it says something of memberships."""
        return (packet.table, packet.cookie) in self._reasons

    def hear(self, packet: PacketIn) -> tuple[list[Answer], bool]:
        """What to send on or to ask, and whether memberships are others than before."""
        heard = parse_message(packet.frame)
        if heard is None:
            return [], False
        before = self._ends.keys() | ()
        questions = self._learn(packet, heard)
        return [Answer(_onward(packet, heard), packet.frame), *questions], before != self._ends.keys()

    def due(self, now: float) -> tuple[list[Answer], bool]:
        """The questions to ask now, and whether memberships have ended."""
        over = [one for one, end in self._ends.items() if end <= now]
        for one in over:
            del self._ends[one]
        questions: list[Answer] = []
        for at, switch in self._switches.items():
            if switch.multicast.querier:
                for key in switch.ports.keys() - switch.silent:
                    if self._asked.get((at, key), now) <= now:
                        self._asked[at, key] = now + switch.multicast.query_s
                        questions += _questions(switch, key)
        return questions, bool(over)

    def _learn(self, packet: PacketIn, heard: Heard) -> list[Answer]:
        switch = self._switches.get(_datapath(packet.metadata))
        key = packet.registers.get("reg14", 0)
        if switch is None or key not in switch.ports or key in switch.silent or _is_from_tunnel(packet):
            return []
        end, port = self._clock() + switch.multicast.idle_s, switch.ports[key]
        groups = (ROUTER_GROUP,) if heard.is_of_router else heard.joined
        for one in (Membership(switch.network, switch.name, group, port) for group in groups):
            if one in self._ends or self._has_room(one):
                self._ends[one] = end
        return [answer for group in heard.left for answer in self._leave(switch, key, group)]

    def _leave(self, switch: SnoopedSwitch, key: int, group: str) -> list[Answer]:
        one = Membership(switch.network, switch.name, group, switch.ports[key])
        if one not in self._ends:
            return []
        self._ends[one] = min(self._ends[one], self._clock() + LAST_WAIT_S)
        return _questions(switch, key, group) if switch.multicast.querier else []

    def _has_room(self, one: Membership) -> bool:
        own = (one.network, one.switch, one.port)
        return sum((other.network, other.switch, other.port) == own for other in self._ends) < GROUPS_MAX


def _questions(switch: SnoopedSwitch, key: int, group: str | None = None) -> list[Answer]:
    """To one port alone."""
    versions = (4, 6) if group is None else (6,) if ":" in group else (4,)
    every_s = switch.multicast.query_s
    frames = (emit_query(version, SOURCE_MAC, every_s, group) for version in versions)
    return [Answer(to_port(switch.metadata, key), frame) for frame in frames]


def _onward(packet: PacketIn, heard: Heard) -> str:
    """Questions go to everybody, the rest where only routers hear it."""
    registers = "".join(
        f",set_field:{packet.registers.get(name, 0):#x}->{name}" for name in ("reg10", "reg14")
    )
    where = f"set_field:{FLOOD_KEY:#x}->reg15,resubmit(,{pipeline.OUTPUT})"
    if not heard.is_query:
        where = f"resubmit(,{pipeline.MULTICAST})"
    return f"set_field:{packet.metadata:#x}->metadata{registers},{where}"


def _datapath(metadata: int) -> int:
    return metadata & 0xFF_FFFF


def _is_from_tunnel(packet: PacketIn) -> bool:
    return bool(packet.registers.get("reg10", 0) & 1)
