"""The data centre in memory while a network goes over to its next version: nodes hear of it one by one.

The controller's and the agents' own code decides what comes next; the test decides who hears of it when, and looks
after any change of a flow.  Packets that are on their way between two nodes are held back as long as the test likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count

from memory_lab import MemoryLab
from memory_node import Delivered, Hop, Sent

from tulle.agent.editions import CAUGHT_UP_S, Editions, found_in_switch
from tulle.agent.flowtable import metadata_of
from tulle.control import Wanted, advance_turn, allocate, next_version, placement, requested_bindings
from tulle.values import Ids, LabFile, LocalPort, Network, TunnelPort, Turn, VersionReport

Deliveries = frozenset[tuple[str, bytes]]
Packet = tuple[str, bytes]
"""The port that sends it, and the frame."""


class VersionedLab(MemoryLab):
    """All nodes, what each of them has reported, and the turn that the controller has written."""

    def __init__(self, document: LabFile) -> None:
        super().__init__(document)
        self.versions = dict.fromkeys(self.networks, 0)
        self.turns: dict[str, Turn] = {}
        self.reports: dict[str, VersionReport] = {}
        self.now_s = 0.0
        seconds = count()
        for node in self.nodes.values():
            node.clock = lambda: float(next(seconds))  # so that no answer is too many
        self._editions = {name: Editions(name) for name in self.nodes}

    def want(self, networks: tuple[Network, ...], *, atomic: bool = True) -> None:
        """What users want from now on; nobody has heard of it yet.  Numbers of what goes are held back."""
        before = self.networks
        self.networks = {network.name: network for network in networks}
        self.ids = allocate(networks, self.ids, {*self.ids.datapaths, *self.ids.ports}, Ids())
        for name, network in self.networks.items():
            if atomic and network != before.get(name):
                self.versions[name] = next_version(self.versions.get(name, 0))

    def hear(self, node: str) -> None:
        """A node's agent makes one pass, and reports."""
        bindings = requested_bindings(self.networks.values(), self._declared)
        editions, latest = self._editions[node], self.nodes[node].latest
        missing = editions.missing(self.versions, self.turns, latest, self.now_s)
        there = {metadata_of(text) for text in self.nodes[node].installed.values()} if missing else set()
        found = found_in_switch(self.ids, missing, there)
        live = editions.update(self.versions, self.turns, latest, found, self.now_s)
        placed = placement(node, tuple(self.networks.values()), bindings)
        self.nodes[node].apply(placed, self._tunnels(node), self.ids, self.known, live, found.metadata)
        self.reports[node] = self._editions[node].report(live, ())

    def die(self, node: str) -> None:
        """A node's agent begins anew, and knows nothing of what was."""
        self.nodes[node].forget()
        self._editions[node] = Editions(node)

    def lead(self, late: tuple[str, ...] = ()) -> bool:
        """The controller takes the next step if all have reported; whether there was one to take."""
        before = dict(self.turns)
        wanted = {name: Wanted(version, frozenset(self.nodes)) for name, version in self.versions.items()}
        for name, one in wanted.items():
            turn = self.turns.get(name, Turn())
            if turn.former or turn.behind or turn.stamped != one.version:
                self.turns[name] = advance_turn(turn, one, self.reports, name, late)
        return self.turns != before

    def is_settled(self, node: str) -> bool:
        """Whether a node has one version of every network."""
        return all(self._editions[node].is_settled(name) for name in self.networks)

    def receive_popped(
        self, sender: str, receiver: str, context: int, frame: bytes, encapsulation: str | None = None
    ) -> Hop:
        """A node that has no port of the network any more has no tunnel either, and drops what still comes."""
        port = TunnelPort(sender, encapsulation or self.encapsulation(sender, receiver))
        if port not in self.nodes[receiver].ports:
            return Hop(receiver, "no tunnel", (), ())
        return super().receive_popped(sender, receiver, context, frame, encapsulation)

    def pass_time(self) -> None:
        """As long as flows outlive their version; nothing may be under way."""
        self.now_s += CAUGHT_UP_S

    def enter(self, packet: Packet) -> Flight | None:
        """The packet at its first node, or None where its port is not plugged in."""
        port, frame = packet
        for node in self.nodes.values():
            if LocalPort(port) in node.ports:
                return Flight(self, node.receive(LocalPort(port), frame))
        return None


class Flight:
    """A packet after its first node: what has become of it, and what is still under way."""

    def __init__(self, lab: VersionedLab, first: Hop) -> None:
        self._lab = lab
        self._first = first

    @property
    def is_under_way(self) -> bool:
        return any(isinstance(end, Sent) for end in self._first.ends)

    def land(self) -> Deliveries:
        """Follow it to all its ends, with the flows of now."""
        hops = self._lab._follow(self._first)
        ends = (end for hop in hops for end in hop.ends)
        return frozenset((end.port, end.frame) for end in ends if isinstance(end, Delivered))


def deliveries(lab: MemoryLab, packet: Packet) -> Deliveries:
    """Who gets the packet, while nothing changes."""
    hops = lab.send(*packet)
    return frozenset((end.port, end.frame) for hop in hops for end in hop.ends if isinstance(end, Delivered))


class Judge:
    """Sends packets at any moment, and says which of them met neither the old nor the new network."""

    def __init__(
        self, lab: VersionedLab, old: MemoryLab, new: MemoryLab, packets: tuple[Packet, ...]
    ) -> None:
        self._lab = lab
        self._fates: Mapping[Packet, tuple[Deliveries, Deliveries]] = {
            packet: (deliveries(old, packet), deliveries(new, packet)) for packet in packets
        }
        stay = set(old.homes) & set(new.homes)
        self._stays: Callable[[tuple[str, bytes]], bool] = lambda one: one[0] in stay
        self._flights: list[tuple[Packet, Flight]] = []
        self.count = 0
        self.wrong: list[str] = []

    @property
    def telling(self) -> int:
        """For how many packets old and new differ."""
        return sum(before != after for before, after in self._fates.values())

    def spare_errors(self) -> None:
        """Look no more at packets that an agent answers: one that has just begun may not know why it gets them."""
        self._fates = {
            packet: fates
            for packet, fates in self._fates.items()
            if not any(port == packet[0] for fate in fates for port, _ in fate)
        }

    def look(self, *, hold: bool = False) -> None:
        """Send every packet; with `hold`, those that go to another node are under way until `land`."""
        for packet in self._fates:
            flight = self._lab.enter(packet)
            if flight is not None and hold and flight.is_under_way:
                self._flights.append((packet, flight))
            elif flight is not None:
                self._judge(packet, flight.land())

    def land(self) -> None:
        """Whatever is under way arrives."""
        for packet, flight in self._flights:
            self._judge(packet, flight.land())
        self._flights = []

    def _judge(self, packet: Packet, got: Deliveries) -> None:
        """Of ports that come or go with the change, only what gets there too much counts."""
        self.count += 1
        for fate in self._fates[packet]:
            if got <= fate and set(filter(self._stays, got)) == set(filter(self._stays, fate)):
                return
        before, after = (sorted(port for port, _ in fate) for fate in self._fates[packet])
        came = sorted(port for port, _ in got)
        self.wrong.append(f"from {packet[0]}: {came}, not {before} as before or {after} as after")
