"""Whether appliances work: a probe goes into each every second, and is expected at its other side.

The frame's ethertype is one for local experiments (0x88B5), and its destination an address that nobody has, so an
appliance that bridges hands it through unless it is told not to.  An appliance that only listens lets nothing
through; it works while its port does.  Pure: the time and what comes are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from tulle.agent.view import View
from tulle.control.insertion import PROBE, PROBE_MAC
from tulle.openflow import PacketIn
from tulle.values import Network, pipeline

PERIOD_S: Final = 1.0
MISSED_MAX: Final = 3
"""So many probes in a row without an answer mean that the appliance is down."""
ANSWERED_MIN: Final = 2
"""So many in a row with one mean that it is up again."""
SOURCE_MAC: Final = bytes.fromhex("02746c0000ff")
MAGIC: Final = b"tulle appliance\x00"
DIGEST_BYTES: Final = 8
FRAME_BYTES: Final = 60
Name = tuple[str, str]
"""Network and name."""


class Watched(Struct, frozen=True):
    """An appliance of this node; ports are numbers at the switch, None while they do not work."""

    inlet: int | None
    outlet: int | None
    listens: bool
    linked: bool = True


class Probe(Struct, frozen=True):
    """A frame to send out of a port."""

    port: int
    frame: bytes


class _Watch:
    def __init__(self, state: str | None) -> None:
        self.state = state
        self.missed = 0
        self.answered = 0
        self.sequence = 0
        self.awaited: int | None = None


class ApplianceHealth:
    """`states` says of each watched appliance `up` or `down`, as soon as that is known."""

    def __init__(self) -> None:
        self._watched: Mapping[Name, Watched] = {}
        self._watches: dict[Name, _Watch] = {}
        self._reasons: Mapping[tuple[int, int], str] = {}

    @property
    def states(self) -> dict[Name, str]:
        """What is known."""
        return {name: one.state for name, one in self._watches.items() if one.state is not None}

    @property
    def dead(self) -> frozenset[str]:
        """Those that nothing passes, as `network/name`."""
        return frozenset("/".join(name) for name, state in self.states.items() if state == "down")

    def watch(self, watched: Mapping[Name, Watched], before: Mapping[Name, str]) -> None:
        """Watch these and no others; `before` is what this node has said of them earlier."""
        self._watched = watched
        self._watches = {name: self._watches.get(name) or _Watch(before.get(name)) for name in watched}

    def configure(self, reasons: Mapping[tuple[int, int], str]) -> None:
        """Know which flows hand probes up."""
        self._reasons = {key: reason for key, reason in reasons.items() if reason == PROBE}

    def concerns(self, packet: PacketIn) -> bool:
        """Whether a packet is a probe that came through."""
        return (packet.table, packet.cookie) in self._reasons

    def hear(self, packet: PacketIn) -> bool:
        """Take a probe that came through; whether that changed a state."""
        for name, one in self._watched.items():
            watch = self._watches[name]
            if packet.in_port != one.outlet or watch.awaited is None:
                continue
            if packet.frame[:FRAME_BYTES] == probe_frame(name, watch.awaited):
                watch.awaited = None
                return self._answered(watch)
        return False

    def tick(self) -> tuple[list[Probe], bool]:
        """Once a period: the probes to send, and whether a state has changed."""
        before, probes = self.states, []
        for name, one in self._watched.items():
            watch = self._watches[name]
            if one.listens:
                watch.state = "up" if one.inlet is not None and one.linked else "down"
            elif one.inlet is None or one.outlet is None or not one.linked:
                watch.state, watch.awaited, watch.answered = "down", None, 0
            else:
                self._judge(watch)
                watch.sequence = (watch.sequence + 1) & 0xFFFF_FFFF
                watch.awaited = watch.sequence
                probes.append(Probe(one.inlet, probe_frame(name, watch.sequence)))
        return probes, before != self.states

    def _judge(self, watch: _Watch) -> None:
        if watch.awaited is None:
            return
        watch.missed, watch.answered = watch.missed + 1, 0
        if watch.missed >= MISSED_MAX:
            watch.state = "down"

    def _answered(self, watch: _Watch) -> bool:
        watch.missed, watch.answered = 0, watch.answered + 1
        if watch.state == "up" or (watch.state == "down" and watch.answered < ANSWERED_MIN):
            return False
        watch.state = "up"
        return True


def watched_appliances(
    networks: Iterable[Network], numbers: Mapping[str, int], served: Iterable[Name], down: Iterable[int]
) -> dict[Name, Watched]:
    """The appliances in chains whose ports are served here; `numbers` are those of logical ports by full name.

    `down` are the numbers of ports without a link.
    """
    here, unlinked, found = set(served), set(down), {}
    for network in networks:
        used = {name for chain in network.chains for name in chain.appliances}
        for one in network.appliances if not network.paused else ():
            if one.name in used and all((network.name, port) in here for port in one.ports):
                ports = [numbers.get(f"{network.name}/{port}") for port in (one.inlet, one.outlet or "")]
                linked = unlinked.isdisjoint(ports)
                found[network.name, one.name] = Watched(ports[0], ports[1], one.listens, linked)
    return found


def probe_frame(name: Name, sequence: int) -> bytes:
    """A frame that tells for which appliance it is, and which one it is."""
    head = bytes.fromhex(PROBE_MAC.replace(":", "")) + SOURCE_MAC + pipeline.ETH_PROBE.to_bytes(2, "big")
    digest = blake2b("/".join(name).encode(), digest_size=DIGEST_BYTES).digest()
    return (head + MAGIC + digest + sequence.to_bytes(4, "big")).ljust(FRAME_BYTES, b"\x00")


def said_by(view: View, node: str) -> dict[Name, str]:
    """What a node has said of appliances."""
    return {(network, name): state for (at, network, name), state in view.appliances.items() if at == node}


def still_said(view: View, node: str, states: Mapping[tuple[str, str], object]) -> list[tuple[str, str, str]]:
    """What a node has said of appliances that it does not look at now, and nobody else speaks of either."""
    known = {
        (one.network.name, appliance.name)
        for one in view.networks.values()
        for appliance in one.network.appliances
    }
    return [
        (at, network, name)
        for at, network, name in view.appliances
        if at == node
        and (network, name) in known
        and (network, name) not in states
        and not any(other != at and (network, name) == tuple(rest) for other, *rest in view.appliances)
    ]
