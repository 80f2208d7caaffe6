"""The flows of one node that depend on place: who is plugged in here, and who is behind which tunnel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from tulle.values import (
    FLOOD_KEY,
    Action,
    Binding,
    Encapsulation,
    FieldMatch,
    Flow,
    Ids,
    LocalPort,
    Move,
    Network,
    Output,
    OutputInPort,
    Resubmit,
    SetField,
    Slice,
    TunnelInterface,
    TunnelPort,
    fields,
    flow,
)
from tulle.values.pipeline import (
    DELIVER,
    FROM_PORT_ACL,
    FROM_PORT_TRACK,
    FROM_PORT_ZONE,
    OUTPUT,
    PHYSICAL_INGRESS,
    PORT_SECURITY,
    RESPONDERS,
    TO_PORT_ACL,
    TO_PORT_TRACK,
    TO_PORT_ZONE,
    TUNNEL_DELIVERY,
)

from .context import DATAPATH, EGRESS, INGRESS, carries_ports, context
from .mirrors import with_mirrors
from .numbers import number
from .services import service_flows

FROM_TUNNEL = 1
NOT_FROM_TUNNEL = FieldMatch("reg10", 0, FROM_TUNNEL)


class _Place(Struct, frozen=True):
    """A bound port in numbers."""

    network: str
    port: str
    switch: str
    datapath: int
    key: int
    mac: str
    node: str
    is_secure: bool
    is_tracked: bool

    @property
    def owner(self) -> str:
        return f"port {self.network}/{self.port}"

    @property
    def switch_owner(self) -> str:
        return f"switch {self.network}/{self.switch}"


def compile_node(
    node: str,
    networks: Iterable[Network],
    bindings: Iterable[Binding],
    tunnels: Iterable[TunnelInterface],
    ids: Ids,
    encapsulations: Mapping[str, Encapsulation],
    version: int = 0,
    receiving: Iterable[TunnelInterface] = (),
    dead: Collection[str] = (),
) -> tuple[Flow, ...]:
    """Ingress, output, tunnel delivery and delivery of `node`; no two flows have the same key.

    `networks` are those with a port here, `tunnels` those that this node sends by, one to a remote, `receiving`
    others that it only receives by; a remote port without a tunnel to its node is left out.
    `version` (8 bits) goes into contexts that have room for it; `dead` are appliances here (`network/name`) that
    nothing passes.
    """
    networks = tuple(networks)
    places = _places((one for one in networks if not one.paused), bindings, ids)
    stopped = _places((one for one in networks if one.paused), bindings, ids)
    sending = tuple(tunnels)
    ends = _ends((*sending, *receiving), encapsulations)
    ways = {one.remote: ends[one.remote, one.encapsulation] for one in sending}
    writer = _Writer(node, ways, [ends[key] for key in sorted(ends)], version & 0xFF)
    flows: tuple[Flow, ...] = (*writer.flows(places), *_paused(node, stopped))
    for network in (one for one in networks if one.appliances or one.mirrors):
        homes = {place.port: place.node for place in places if place.network == network.name}
        if not network.paused:
            services = service_flows(node, network, homes, ways, ids, dead, version)
            flows = with_mirrors((*flows, *services), node, network, homes, ways, ids, version)
    return tuple(sorted(flows, key=lambda one: (one.table, -one.priority, repr(one.match))))


class _End(Struct, frozen=True):
    """A tunnel of this node."""

    tunnel: TunnelInterface
    encapsulation: Encapsulation

    @property
    def remote(self) -> str:
        return self.tunnel.remote

    @property
    def port(self) -> TunnelPort:
        """What is sent goes to this one; the switch takes the second endpoint's by itself."""
        return TunnelPort(self.remote, self.encapsulation.name)

    @property
    def ports(self) -> tuple[TunnelPort, ...]:
        """All that packets come in by: a second endpoint has its own."""
        second = TunnelPort(self.remote, self.encapsulation.name, second=True)
        return (self.port, second) if self.tunnel.second_address else (self.port,)

    @property
    def guarded(self) -> bool:
        """Whether the remote has no agent and names no ports, so that this node applies the ACLs for it."""
        return self.tunnel.external and not carries_ports(self.encapsulation)


def _ends(
    tunnels: Iterable[TunnelInterface], encapsulations: Mapping[str, Encapsulation]
) -> dict[tuple[str, str], _End]:
    """By remote and encapsulation; one that has a second port goes before the same without it."""
    found: dict[tuple[str, str], _End] = {}
    for one in tunnels:
        key = one.remote, one.encapsulation
        if key not in found or (one.second_address and not found[key].tunnel.second_address):
            found[key] = _End(one, encapsulations[one.encapsulation])
    return found


def _places(networks: Iterable[Network], bindings: Iterable[Binding], ids: Ids) -> list[_Place]:
    nodes = {(binding.network, binding.port): binding.node for binding in bindings}
    found = []
    for network in networks:
        # Connections are for ACLs that speak of them; the others ask for no zones.
        tracked = any(acl.action == "allow-related" for acl in network.acls)
        for port in network.ports:
            node = nodes.get((network.name, port.name))
            if node is not None:
                datapath = f"{network.name}/{port.switch}"
                numbers = number(ids.datapaths, datapath), number(ids.ports, f"{datapath}/{port.name}")
                names = network.name, port.name, port.switch
                found.append(_Place(*names, *numbers, port.mac, node, port.port_security, tracked))
    return found


class _Writer:
    def __init__(self, node: str, ways: Mapping[str, _End], ends: Iterable[_End], version: int) -> None:
        self._node = node
        self._ways = ways
        self._ends = ends
        self._version = version

    def flows(self, places: list[_Place]) -> Iterator[Flow]:
        for end in self._ends:
            for port in end.ports:
                yield self._from_tunnel(end, port)
            if end.guarded:
                yield from self._from_external(end, [place for place in places if place.node == end.remote])
        by_datapath: defaultdict[int, list[_Place]] = defaultdict(list)
        for place in places:
            by_datapath[place.datapath].append(place)
            yield from self._local(place) if place.node == self._node else self._remote(place)
        for members in by_datapath.values():
            yield from self._flood(members)
        yield from _nowhere()

    def _from_tunnel(self, end: _End, port: TunnelPort) -> Flow:
        match, owner = fields(in_port=port), f"tunnel {end.remote}"
        if end.guarded:
            return flow(PHYSICAL_INGRESS, 100, match, (), f"unknown context from {end.remote}")
        actions: list[Action] = [Move(DATAPATH, Slice("metadata", 0, DATAPATH.bits))]
        if carries_ports(end.encapsulation):
            actions += [Move(EGRESS, Slice("reg15", 0, 16)), Move(INGRESS, Slice("reg14", 0, 16))]
            actions.append(Resubmit(TUNNEL_DELIVERY))
        else:
            actions += [SetField("reg10", FROM_TUNNEL), Resubmit(RESPONDERS)]
        return flow(PHYSICAL_INGRESS, 100, match, tuple(actions), owner)

    def _from_external(self, end: _End, members: list[_Place]) -> Iterator[Flow]:
        """An endpoint without an agent speaks only in the switches where it has ports, and past the ACLs.

        With a source that none of its ports has it is not known which one speaks: not if all of them are secured.
        """
        port = end.port
        for datapath in sorted({place.datapath for place in members if not place.is_secure}):
            match = fields(in_port=port, tun_id=datapath)
            yield flow(PHYSICAL_INGRESS, 105, match, self._enter(datapath, 0), f"tunnel {end.remote}")
        for place in members:
            match = fields(in_port=port, tun_id=place.datapath, dl_src=place.mac)
            enter = self._enter(place.datapath, place.key, is_secure=place.is_secure)
            yield flow(PHYSICAL_INGRESS, 110, match, enter, place.owner)
            yield from _zones(place)

    def _enter(self, datapath: int, key: int, *, is_secure: bool = False) -> tuple[Action, ...]:
        mark = (SetField("metadata", datapath), SetField("reg14", key), SetField("reg10", FROM_TUNNEL))
        return (*mark, Resubmit(PORT_SECURITY if is_secure else FROM_PORT_ACL))

    def _local(self, place: _Place) -> Iterator[Flow]:
        port = LocalPort(f"{place.network}/{place.port}")
        entry = (
            SetField("metadata", place.datapath),
            SetField("reg14", place.key),
            Resubmit(PORT_SECURITY if place.is_secure else FROM_PORT_ACL),
        )
        yield flow(PHYSICAL_INGRESS, 100, fields(in_port=port), entry, place.owner)
        here = fields(metadata=place.datapath, reg15=place.key)
        for table in (OUTPUT, TUNNEL_DELIVERY):
            yield flow(table, 100, here, (Resubmit(TO_PORT_ACL),), place.owner)
        yield flow(DELIVER, 100, here, (Output(port),), place.owner)
        # A router may send back to where a packet came from; plain output there does nothing
        # (OpenFlow 1.3.5 section 5.4).
        yield flow(DELIVER, 110, fields(here, in_port=port), (OutputInPort(),), place.owner)
        yield from _zones(place)

    def _remote(self, place: _Place) -> Iterator[Flow]:
        """Only what comes from here goes into a tunnel: never from one tunnel to another."""
        if place.node not in self._ways:
            return
        match = fields((NOT_FROM_TUNNEL,), metadata=place.datapath, reg15=place.key)
        end = self._ways[place.node]
        port = end.port
        mark = self._mark(place.node, place.datapath, place.key)
        table = OUTPUT
        if end.guarded:
            yield flow(OUTPUT, 100, match, (Resubmit(TO_PORT_ACL),), place.owner)
            table, match = DELIVER, fields(metadata=place.datapath, reg15=place.key)
        yield flow(table, 100, match, (*mark, Output(port)), place.owner)
        if not carries_ports(end.encapsulation):
            # An endpoint without an agent lets us route for it, perhaps back to itself.
            yield flow(table, 110, fields(match, in_port=port), (*mark, OutputInPort()), place.owner)

    def _flood(self, members: list[_Place]) -> Iterator[Flow]:
        datapath, owner = members[0].datapath, members[0].switch_owner
        local = tuple(self._flood_local(members))
        remote: tuple[Action, ...] = ()
        for node in sorted({place.node for place in members} & self._ways.keys()):
            remote += (*self._mark(node, datapath, FLOOD_KEY), Output(self._ways[node].port))
        match = fields(metadata=datapath, reg15=FLOOD_KEY)
        yield flow(OUTPUT, 90, match, local, f"{owner} (flood)")
        yield flow(TUNNEL_DELIVERY, 90, match, local, f"{owner} (flood)")
        if remote:
            # Tunnels first: delivery below may change the packet, and reg15 with it.
            yield flow(OUTPUT, 100, fields((*match, NOT_FROM_TUNNEL)), (*remote, *local), f"{owner} (flood)")

    def _flood_local(self, members: list[_Place]) -> Iterator[Action]:
        for place in members:
            if place.node == self._node:
                yield SetField("reg15", place.key)
                yield Resubmit(TO_PORT_ACL)

    def _mark(self, node: str, datapath: int, egress: int) -> tuple[Action, ...]:
        """Write the context for what goes to `node`."""
        encapsulation = self._ways[node].encapsulation
        number = context(encapsulation, datapath, egress, self._version)
        actions: tuple[Action, ...] = (SetField("tun_id", number),)
        if carries_ports(encapsulation):
            actions += (Move(Slice("reg14", 0, 16), INGRESS),)
        return actions


def _paused(node: str, places: list[_Place]) -> Iterator[Flow]:
    """What workloads of a paused network send is dropped under a name of its own."""
    for place in places:
        if place.node == node:
            port = LocalPort(f"{place.network}/{place.port}")
            yield flow(PHYSICAL_INGRESS, 100, fields(in_port=port), (), f"network {place.network} (paused)")


def _zones(place: _Place) -> Iterator[Flow]:
    """A port's zone of connection tracking is its number at the switch, which nobody else has there.

    One behind a tunnel gets a number for that from the agent.
    """
    if not place.is_tracked:
        return
    port = LocalPort(f"{place.network}/{place.port}")
    for table, register, following in (
        (FROM_PORT_ZONE, "reg14", FROM_PORT_TRACK),
        (TO_PORT_ZONE, "reg15", TO_PORT_TRACK),
    ):
        here = FieldMatch("metadata", place.datapath), FieldMatch(register, place.key)
        yield flow(table, 100, here, (SetField("reg12", port), Resubmit(following)), place.owner)


def _nowhere() -> Iterator[Flow]:
    """Every packet that ends has an owner that says where."""
    for table, reason in (
        (PHYSICAL_INGRESS, "unknown port"),
        (RESPONDERS, "unknown context"),
        (OUTPUT, "unreachable port"),
        (TUNNEL_DELIVERY, "unknown context"),
        (DELIVER, "port not here"),
    ):
        yield flow(table, 0, (), (), reason)
