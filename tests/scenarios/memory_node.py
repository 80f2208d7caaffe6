"""One node in memory: the native datapath with the flows that an agent would give it.

Every packet is traced, forwarded through the tables and forwarded once more through the flow cache:
all three must agree.  A trace takes every connection for a new one, so where connections are tracked it has
no say, and the way of the packet is read off the counters of the flows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from whole_compilation import whole_texts

from tulle import values
from tulle._native import Datapath, canonical_flow, icmp_error
from tulle.agent.compilation import NOTHING, Compilation, Tunnels
from tulle.agent.editions import Edition, Live
from tulle.agent.flowtable import as_found
from tulle.agent.policy import PolicyPath
from tulle.agent.services import Services
from tulle.agent.slowpath import SlowPath
from tulle.control import Placement
from tulle.control.localnets import NO_PHYSICAL
from tulle.openflow import PacketIn, flow_key
from tulle.openflow.changes import FlowChanges, changes
from tulle.openflow.flows import flow_cookie, flow_table
from tulle.values import (
    Encapsulation,
    Ids,
    LocalPort,
    Membership,
    TunnelInterface,
    TunnelPort,
    physical_port,
)
from tulle.values.moving import Transit
from tulle.values.pipeline import AFFINITY

Symbol = LocalPort | TunnelPort
TunnelKey = tuple[int, str, str]
AGENT_PORT = 60000
IP_WORDS = {one + version for one in ("ip", "tcp", "udp", "icmp", "sctp") for version in ("", "v6", "6")}


METER = re.compile(r"(?<= actions=)meter:[0-9]+,")


@dataclass(frozen=True)
class Delivered:
    """A workload got the frame."""

    port: str
    frame: bytes


@dataclass(frozen=True)
class Sent:
    """The frame left for another node."""

    node: str
    encapsulation: str
    context: int
    frame: bytes


@dataclass(frozen=True)
class Punted:
    """The agent got the frame; `reply` is what it puts back into the pipeline, with its actions."""

    reason: str
    reply: tuple[str, bytes] | None


@dataclass(frozen=True)
class Dropped:
    """A copy of the frame ended at a flow."""

    reason: str
    table: int | None
    owner: str


End = Delivered | Sent | Punted | Dropped


@dataclass(frozen=True)
class Hop:
    """What one node did with one frame; `steps` are (table, owner)."""

    node: str
    entered: str
    steps: tuple[tuple[int, str], ...]
    ends: tuple[End, ...]


def _needed(tunnels: Tunnels, placed: Placement) -> Tunnels:
    def kept(some: tuple[TunnelInterface, ...]) -> tuple[TunnelInterface, ...]:
        return tuple(one for one in some if one.remote in placed.remotes)

    own = {network: kept(some) for network, some in tunnels.own.items()}
    return Tunnels(kept(tunnels.all), kept(tunnels.usual), own)


class MemoryNode:
    """The datapath of one node, and how its numbers read; `former` are the flows before the last change.

    `numbers` remembers the number of every port that ever was; `between` is called after each change
    of a flow.
    """

    def __init__(self, node: values.Node) -> None:
        self.node = node
        self.ports: dict[Symbol, int] = {}
        self.installed: dict[str, str] = {}
        self.former: dict[str, str] = {}
        self.owners: dict[int, str] = {}
        self._compilation = Compilation(node.name, canonical_flow)
        self._compiled = NOTHING
        self._datapath = Datapath()
        self.physical = NO_PHYSICAL
        self.memberships: frozenset[Membership] = frozenset()
        self.clock: Callable[[], float] = lambda: 0.0
        self._slow_path = SlowPath(icmp_error, lambda: self.clock())
        self.logged: list[dict[str, Any]] = []
        self._policy = PolicyPath(icmp_error, lambda: 0.0, self.logged.append)
        self._services = Services(lambda: 0.0)
        self.numbers: dict[Symbol, int] = {}
        self.between: Callable[[], None] = lambda: None

    def apply(
        self,
        placed: Placement,
        tunnels: Tunnels,
        ids: Ids,
        known: Mapping[str, Encapsulation],
        live: Mapping[str, Live] = MappingProxyType({}),
        frozen: frozenset[int] = frozenset(),
        transits: Iterable[Transit] = (),
    ) -> FlowChanges:
        """Bring ports and flows to what the placement asks for; what had to change."""
        needed, transits = _needed(tunnels, placed), tuple(transits)
        symbols = self._symbols(placed, needed)
        self._add_ports(symbols)
        ports = {one: number for one, number in self.ports.items() if one in symbols}
        self._compiled = self._compilation.compile(
            *(placed.networks, placed.bindings, needed, ids, known, ports),
            live=live,
            transits=transits,
            physical=self.physical,
            memberships=self.memberships,
        )
        assert not self._compilation.pending, self._compilation.pending
        self.owners |= self._compiled.owners
        if live:
            texts = self._compilation.anew()().texts
        else:
            around = self.physical, self.memberships
            texts = whole_texts(self.node.name, placed, needed, ids, known, ports, transits, *around)
        assert self._compiled.texts == texts, "what is compiled step by step is what is compiled as a whole"
        kept = as_found(self.installed, frozen) if frozen else {}
        made = self._install({**kept, **texts})
        self._remove_ports(symbols)
        self._slow_path.configure(self._compiled.routers, self._compiled.reasons)
        self._policy.configure(self._compiled.reasons, self._compiled.owners)
        self._services.configure(self._compiled.services, self._compiled.reasons, {})
        return made

    def forget(self) -> None:
        """An agent that has just begun."""
        self._compilation = Compilation(self.node.name, canonical_flow)

    @property
    def latest(self) -> Mapping[str, Edition]:
        """The networks as they were compiled last."""
        return self._compilation.latest

    def receive(self, symbol: Symbol, frame: bytes, tunnel: TunnelKey | None = None) -> Hop:
        """What becomes of a frame that comes in at a port."""
        entered = f"port {symbol.name}" if isinstance(symbol, LocalPort) else f"tunnel from {symbol.node}"
        return self._forward(entered, self.ports[symbol], frame, tunnel)

    def receive_from_agent(self, actions: str, frame: bytes) -> Hop:
        """What becomes of a frame that the agent sends with these actions."""
        flow = f"table=0,priority=65535,in_port={AGENT_PORT}"
        self._datapath.add_port(AGENT_PORT)
        self._datapath.flow_mod("add", f"{flow} actions={actions}")
        hop = self._forward("agent", AGENT_PORT, frame, None)
        self._datapath.flow_mod("delete-strict", flow)
        self._datapath.remove_port(AGENT_PORT)
        return hop

    def flows(self) -> dict[str, str]:
        """What the datapath says that it has and has not learned, by flow key."""
        texts = [canonical_flow(text) for text, _, _ in self._datapath.flows()]
        texts = [text for text in texts if flow_table(text) != AFFINITY]
        return {flow_key(text): text for text in texts}

    def _symbols(self, placed: Placement, tunnels: Tunnels) -> set[Symbol]:
        local = {
            LocalPort(f"{one.network}/{one.port}") for one in placed.bindings if one.node == self.node.name
        }
        children = {
            LocalPort(f"{network.name}/{port.name}")
            for network in placed.networks
            for port in network.ports
            if port.parent is not None
        }
        local = local - children | set(map(physical_port, self.physical.networks.get(self.node.name, ())))
        return local | {TunnelPort(one.remote, one.encapsulation) for one in tunnels.all}

    def _add_ports(self, symbols: set[Symbol]) -> None:
        for symbol in sorted(symbols - self.ports.keys(), key=repr):
            number = self.numbers.setdefault(symbol, len(self.numbers) + 1)
            self.ports[symbol] = number
            self._datapath.add_port(number)

    def _remove_ports(self, symbols: set[Symbol]) -> None:
        for symbol in self.ports.keys() - symbols:
            self._datapath.remove_port(self.ports.pop(symbol))

    def _install(self, texts: Mapping[str, str]) -> FlowChanges:
        made = changes(self.installed, texts)
        for command, batch in made.commands:
            for text in batch:
                assert "ct(" not in text or _is_of_ip(text), f"a switch refuses {text}"
                # This datapath has no meters, and nobody sends more than one packet.
                self._datapath.flow_mod(command, METER.sub("", text))
                self.between()
        self.former, self.installed = self.installed, dict(texts)
        have = self.flows()
        wanted = {key: METER.sub("", text) for key, text in self.installed.items()}
        assert have == wanted, set(have.items()) ^ set(wanted.items())
        return made

    def _forward(self, entered: str, number: int, frame: bytes, tunnel: TunnelKey | None) -> Hop:
        traced = self._datapath.trace(number, frame, tunnel)
        tracked = any("ct(table=" in (one["actions"] or "") for one in traced["steps"])
        before = self._counted() if tracked else {}
        effects = self._datapath.process(number, frame, tunnel)
        met = (
            [flow for flow, count in self._counted().items() if count > before.get(flow, 0)]
            if tracked
            else []
        )
        again = self._datapath.process(number, frame, tunnel)
        outputs = [one for one in effects if one["effect"] == "output"]
        if tracked:
            repeated = [one for one in again if one["effect"] == "output"]
            assert repeated == outputs, f"the cache does {repeated}, the tables do {outputs}"
            steps = tuple(
                (flow_table(flow), self._owner(flow_cookie(flow))) for flow in sorted(met, key=_rank)
            )
        else:
            assert again == effects, f"the cache does {again}, the tables do {effects}"
            said = [{**one, "effect": "output"} for one in traced["outputs"]]
            assert said == outputs, f"the trace says {said}, the datapath does {outputs}"
            steps = tuple((one["table"], self._owner(one["cookie"])) for one in traced["steps"])
        return Hop(self.node.name, entered, steps, tuple(self._end(one) for one in effects))

    def _counted(self) -> dict[str, int]:
        """Packets by flow."""
        return {text: packets for text, packets, _ in self._datapath.flows()}

    def _owner(self, cookie: int | None) -> str:
        return "no flow" if cookie is None else self.owners.get(cookie, "agent")

    def _end(self, effect: dict[str, Any]) -> End:
        match effect["effect"]:
            case "output":
                return self._output(effect)
            case "packet-in":
                return self._punted(effect)
            case _:
                return Dropped(effect["reason"], effect["table"], self._owner(effect["cookie"]))

    def _output(self, effect: dict[str, Any]) -> End:
        symbol = next(one for one, number in self.ports.items() if number == effect["port"])
        if isinstance(symbol, LocalPort):
            return Delivered(symbol.name, effect["frame"])
        return Sent(symbol.node, symbol.encapsulation, effect["tunnel"][0], effect["frame"])

    def _punted(self, effect: dict[str, Any]) -> Punted:
        given = PacketIn(
            in_port=effect["in_port"],
            table=effect["table"],
            cookie=effect["cookie"],
            metadata=effect["metadata"],
            registers=effect["registers"],
            frame=effect["frame"],
        )
        paths = (self._policy, self._services)
        path = next((one for one in paths if one.concerns(given)), self._slow_path)
        reply = path.answer(given)
        reason = self._compiled.reasons.get((given.table, given.cookie), "unknown")
        return Punted(reason, None if reply is None else (reply.actions, reply.frame))


def _is_of_ip(flow: str) -> bool:
    """Whether the match says that packets are of IPv4 or IPv6, as actions on connections demand (ovs-actions(7))."""
    return not IP_WORDS.isdisjoint(flow.partition(" ")[0].split(","))


def _rank(flow: str) -> tuple[int, int]:
    """The order in which a packet passes the tables; those of connections have high numbers."""
    table = flow_table(flow)
    return (
        next((after for first, after in ((80, 33), (70, 20), (60, 40), (50, 10)) if table >= first), table),
        table,
    )
