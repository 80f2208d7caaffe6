"""The flows of one node for service chains: how packets get to appliances, and what comes out of them.

A packet goes to an appliance under the wire of that way in, so the far node needs nothing but the datapath of the
context.  Whoever owns an appliance is trusted with what comes out of it: it may speak as anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Protocol

from msgspec.structs import replace

from tulle.values import (
    Action,
    Appliance,
    Binding,
    Chain,
    Controller,
    Encapsulation,
    FieldMatch,
    Flow,
    Ids,
    LocalPort,
    Move,
    Network,
    Output,
    Resubmit,
    SetField,
    Slice,
    TunnelPort,
    fields,
    flow,
    inlet_wire,
    outlet_wire,
    pipeline,
    switch_wire,
)

from .context import INGRESS, carries_ports, context, in_version
from .numbers import number
from .wires import place_switch

ARRIVAL_PRIORITY: Final = 200
GROUP: Final = FieldMatch("dl_dst", "01:00:00:00:00:00", "01:00:00:00:00:00")
HAS_PASSED: Final = FieldMatch("reg5", pipeline.PASSED_TO_PORT, pipeline.PASSED_TO_PORT)
NOT_FROM_TUNNEL: Final = FieldMatch("reg10", 0, 1)
FAILING: Final = {"open": 110, "closed": 115}
"""Priorities: others than that of what works, so that a switch counts from nothing what is dropped."""
PROBE: Final = "appliance-probe"
PROBE_MAC: Final = "02:74:75:6c:6c:65"
"""To whom probes are: nobody has it."""
PROBES_PER_S: Final = 20
AS_FROM_HERE: Final = (SetField("reg4", 0), Move(Slice("reg4", 0, 32), Slice("in_port", 0, 32)))
"""For no port of its own: Open vSwitch refuses to set that field, and lets it be moved to.

A switch sends no packet back to where it came from (OpenFlow 1.3.5 section 5.4), a chain may have to."""


class Way(Protocol):
    """The tunnel by which a remote node is reached."""

    @property
    def port(self) -> TunnelPort: ...
    @property
    def ports(self) -> tuple[TunnelPort, ...]: ...
    @property
    def encapsulation(self) -> Encapsulation: ...
    @property
    def version(self) -> int: ...
    @property
    def guarded(self) -> bool: ...


def in_path(network: Network, bindings: Iterable[Binding], heard: Collection[tuple[str, str]]) -> Network:
    """The network with those chains idle whose appliances are not all ready to be sent to.

    `heard` are the appliances, by network and name, of which a node has said that it watches them: its flows for them
    are in place by then.  One whose port is nowhere will not be heard of; there the chain does as it `fail`s.
    """
    homes = {one.port for one in bindings if one.network == network.name}
    ready = {
        one.name
        for one in network.appliances
        if (network.name, one.name) in heard or not homes.issuperset(one.ports)
    }
    chains = tuple(
        replace(one, idle=one.idle or not ready.issuperset(one.appliances)) for one in network.chains
    )
    return network if chains == network.chains else replace(network, chains=chains)


def insertion_flows(
    node: str,
    network: Network,
    homes: Mapping[str, str],
    ways: Mapping[str, Way],
    ids: Ids,
    dead: Collection[str] = (),
    version: int = 0,
) -> Iterator[Flow]:
    """The flows of all chains of `network`; `homes` says on which node a port is, `dead` which appliances fail here."""
    writer = _Writer(node, network, homes, ways, ids, dead, version)
    appliances = {one.name: one for one in network.appliances}
    used = {name: chain for chain in network.chains for name in chain.appliances}
    for name, chain in used.items():
        yield from writer.transport(chain, appliances[name])
    for one in network.appliances:
        yield from writer.comes_out(one, used.get(one.name))
    for switch in sorted({place_switch(network, chain) for chain in network.chains}):
        yield from writer.passed(switch)


class _Writer:
    def __init__(
        self,
        node: str,
        network: Network,
        homes: Mapping[str, str],
        ways: Mapping[str, Way],
        ids: Ids,
        dead: Collection[str],
        version: int,
    ) -> None:
        self._node = node
        self._network = network
        self._homes = homes
        self._ways = ways
        self._ids = ids
        self._dead = dead
        self._version = version

    def transport(self, chain: Chain, appliance: Appliance) -> Iterator[Flow]:
        """The way to an appliance, and into it where it is here."""
        wires = (inlet_wire(appliance.name), outlet_wire(appliance.name))
        ports = (appliance.inlet, appliance.outlet or appliance.inlet)
        for wire, port, other in zip(wires, ports, reversed(wires), strict=True):
            match = fields(metadata=self._metadata(wire))
            owner = self._owner(appliance)
            home = self._homes.get(port, "")
            along = self._along(other)
            past = () if chain.fail == "closed" else along
            if home == self._node:
                yield flow(pipeline.CHAIN_HOP, 100, match, (Resubmit(pipeline.CHAIN_ENTRY),), owner)
                yield self._entry(chain, appliance, match, port, along)
                for table in (pipeline.RESPONDERS, pipeline.TUNNEL_DELIVERY):
                    yield flow(table, ARRIVAL_PRIORITY, match, (Resubmit(pipeline.CHAIN_ENTRY),), owner)
            elif home in self._ways:
                there = (*AS_FROM_HERE, *self._mark(home, self._wire(wire), 0), Output(self._ways[home].port))
                yield flow(pipeline.CHAIN_HOP, 100, match, there, owner)
            else:
                yield flow(
                    pipeline.CHAIN_HOP,
                    FAILING[chain.fail],
                    match,
                    past,
                    self._failing(chain, appliance),
                )

    def comes_out(self, appliance: Appliance, chain: Chain | None) -> Iterator[Flow]:
        """What an appliance sends is of its chain, and of nothing else; a probe tells that it works."""
        owner = self._owner(appliance)
        for port, wire in zip(appliance.ports, (inlet_wire, outlet_wire), strict=False):
            if self._homes.get(port) != self._node:
                continue
            match = fields(in_port=LocalPort(f"{self._network.name}/{port}"))
            table = pipeline.PHYSICAL_INGRESS
            if chain is None or appliance.listens:
                yield flow(table, 120, match, (), f"{owner} (not in a chain)")
                continue
            actions = (SetField("metadata", self._metadata(wire(appliance.name))), *AS_FROM_HERE)
            yield flow(table, 120, match, (*actions, Resubmit(pipeline.CHAIN_EXIT)), owner)
            yield flow(table, 125, fields((*match, GROUP)), (), f"{owner} (to a group)")
        if appliance.outlet is not None and self._homes.get(appliance.outlet) == self._node:
            out = LocalPort(f"{self._network.name}/{appliance.outlet}")
            probe = fields(in_port=out, dl_type=pipeline.ETH_PROBE, dl_dst=PROBE_MAC)
            yield flow(pipeline.PHYSICAL_INGRESS, 130, probe, (Controller(PROBE, PROBES_PER_S),), owner)

    def passed(self, switch: str) -> Iterator[Flow]:
        """What has passed its chain here goes to ports elsewhere under a wire that says so."""
        datapath, wire = self._metadata(switch), self._wire(switch_wire(switch))
        for port in self._network.ports:
            home = self._homes.get(port.name, "")
            if port.switch != switch or home not in self._ways or self._ways[home].guarded:
                continue
            key = number(self._ids.ports, f"{self._network.name}/{switch}/{port.name}")
            match = fields((HAS_PASSED, NOT_FROM_TUNNEL), metadata=datapath, reg15=key)
            actions = (*AS_FROM_HERE, *self._mark(home, wire, key), Output(self._ways[home].port))
            yield flow(pipeline.OUTPUT, 120, match, actions, f"port {self._network.name}/{port.name}")

    def _entry(
        self,
        chain: Chain,
        appliance: Appliance,
        match: tuple[FieldMatch, ...],
        port: str,
        along: tuple[Action, ...],
    ) -> Flow:
        """Into the appliance, past it, or nowhere."""
        if f"{self._network.name}/{appliance.name}" in self._dead:
            past = () if chain.fail == "closed" else along
            return flow(
                pipeline.CHAIN_ENTRY,
                FAILING[chain.fail],
                match,
                past,
                self._failing(chain, appliance),
            )
        copy = Output(LocalPort(f"{self._network.name}/{port}"))
        actions = (copy, *along) if appliance.listens else (copy,)
        return flow(pipeline.CHAIN_ENTRY, 100, match, actions, self._owner(appliance))

    def _along(self, other: str) -> tuple[Action, ...]:
        """As if the packet had come out at the other side."""
        return (SetField("metadata", self._metadata(other)), *AS_FROM_HERE, Resubmit(pipeline.CHAIN_EXIT))

    def _failing(self, chain: Chain, appliance: Appliance) -> str:
        """Drops stand under the name of the chain."""
        if chain.fail == "closed":
            return f"chain {self._network.name}/{chain.name}"
        return f"{self._owner(appliance)} (passed by)"

    def _owner(self, appliance: Appliance) -> str:
        return f"appliance {self._network.name}/{appliance.name}"

    def _metadata(self, name: str) -> int:
        """A wire or a switch in this version of the network."""
        return in_version(self._wire(name), self._version)

    def _wire(self, name: str) -> int:
        return number(self._ids.datapaths, f"{self._network.name}/{name}")

    def _mark(self, node: str, datapath: int, egress: int) -> tuple[Action, ...]:
        encapsulation, version = self._ways[node].encapsulation, self._ways[node].version
        made: tuple[Action, ...] = (SetField("tun_id", context(encapsulation, datapath, egress, version)),)
        return (*made, Move(Slice("reg14", 0, 16), INGRESS)) if carries_ports(encapsulation) else made
