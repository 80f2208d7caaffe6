"""The flows of one node that depend on place: who is plugged in here, and who is behind which tunnel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from tulle.values import (
    FLOOD_KEY,
    Action,
    Binding,
    Encapsulation,
    FieldMatch,
    Flow,
    Ids,
    LocalPort,
    Membership,
    Move,
    Network,
    Output,
    OutputInPort,
    Qos,
    Resubmit,
    SetField,
    Slice,
    TunnelInterface,
    TunnelPort,
    Zone,
    fields,
    flow,
)
from tulle.values.moving import Transit
from tulle.values.pipeline import (
    ANSWER,
    DELIVER,
    FROM_PORT_ACL,
    FROM_PORT_TRACK,
    FROM_PORT_ZONE,
    OUTPUT,
    PHYSICAL_INGRESS,
    PORT_SECURITY,
    REDIRECT,
    RESPONDERS,
    RETURN,
    TO_PORT_ACL,
    TO_PORT_TRACK,
    TO_PORT_ZONE,
    TUNNEL_DELIVERY,
)

from .context import (
    DATAPATH,
    EGRESS,
    INGRESS,
    VERSION_BITS,
    carries_ports,
    context,
    in_version,
    version_place,
)
from .devices import Device, delivery_flows, device_of
from .ends import End, ends_of
from .groups import Around, group_flows
from .insertion import insertion_flows
from .limits import delivered_flows, entry_table, sent_flows, shared
from .localnets import NO_PHYSICAL, Localnet, Physical, localnets
from .mirrors import with_mirrors
from .numbers import number
from .transits import coming_flows, ingress_flows, leaving_flows, returning_flow
from .wires import wires

FROM_TUNNEL, UNVERSIONED = 1, 2
VERSION_OF = "version of"
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
    device: Device
    is_secure: bool
    is_tracked: bool
    is_translated: bool
    version: int
    qos: Qos | None = None
    is_mute: bool = False
    """Whether nothing passes between it and tunnels, as another node speaks for those behind them."""

    @property
    def metadata(self) -> int:
        """The datapath in this version of the network."""
        return in_version(self.datapath, self.version)

    @property
    def name(self) -> tuple[str, str]:
        return (self.network, self.port)

    @property
    def owner(self) -> str:
        return f"port {self.network}/{self.port}"

    @property
    def outward(self) -> tuple[Action, ...]:
        """What a packet brings along that may be translated: leave to, and where this is remembered."""
        return (SetField("reg9", self.zone), SetField("reg8", 1)) if self.is_translated else ()

    @property
    def inward(self) -> tuple[Action, ...]:
        """To the to-port ACLs, by way of what may have been translated."""
        if not self.is_translated:
            return (Resubmit(TO_PORT_ACL),)
        return (SetField("reg9", self.zone), Resubmit(RETURN))

    @property
    def zone(self) -> Zone:
        """Where its translations are remembered."""
        return Zone(f"{self.network}/{self.port}")

    @property
    def first(self) -> int:
        """The table that judges what it sends."""
        return PORT_SECURITY if self.is_secure else FROM_PORT_ACL

    def limits(self) -> Iterator[Flow]:
        """What it may send is limited wherever its device is served."""
        here = fields(metadata=self.metadata, reg14=self.key)
        return sent_flows(self.device.port.name, self.qos, here, self.first)

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
    behind: Mapping[str, int] = MappingProxyType({}),
    transits: Iterable[Transit] = (),
    dead: Collection[str] = (),
    physical: Physical = NO_PHYSICAL,
    memberships: Collection[Membership] = (),
) -> tuple[Flow, ...]:
    """Ingress, output, tunnel delivery and delivery of `node`; no two flows have the same key.

    `networks` are those with a port here, `tunnels` those that this node sends by, one to a remote, `receiving`
    others that it only receives by; a remote port without a tunnel to its node is left out.
    `version` (8 bits) is that of these networks; it goes into contexts that have room for it.  `behind` are nodes
    that have another one and are spoken to in that, while what they send counts as of this one.
    Ports of `transits` are served here whatever their binding says, and looked for where the transit says.
    `dead` are appliances here (`network/name`) that nothing passes.
    `physical` says who has and speaks for physical networks, `memberships` which ports have joined multicast groups.
    """
    networks, bindings = tuple(networks), tuple(bindings)
    joined = {one.name: localnets(node, one, bindings, physical) for one in networks}
    places = _places((one for one in networks if not one.paused), bindings, ids, version & 0xFF, joined)
    stopped = _places((one for one in networks if one.paused), bindings, ids, version & 0xFF, joined)
    sending = tuple(tunnels)
    ends = ends_of((*sending, *receiving), encapsulations, version & 0xFF, behind)
    ways = {one.remote: ends[one.remote, one.encapsulation] for one in sending}
    writer = _Writer(node, ways, [ends[key] for key in sorted(ends)], behind, joined)
    by_port = {(one.network, one.port): one for one in transits if _is_reached(one, ways)}
    moving = [(place, by_port[place.name]) for place in places if place.name in by_port]
    sought = [_sought(place, by_port.get(place.name)) for place in places]
    flows: tuple[Flow, ...] = (*writer.flows(sought), *writer.transits(moving), *_paused(node, stopped))
    flows = (*flows, *writer.groups(networks, sought, memberships))
    for network in (one for one in networks if (one.appliances or one.mirrors) and not one.paused):
        homes = {place.port: place.node for place in sought if place.network == network.name}
        inserted = insertion_flows(node, network, homes, ways, ids, dead, version & 0xFF)
        entries = writer.wires(network, ids, version & 0xFF)
        flows = (*flows, *entries, *inserted)
        flows = with_mirrors(flows, node, network, homes, ways, ids, version & 0xFF)
    return tuple(sorted(flows, key=lambda one: (one.table, -one.priority, repr(one.match))))


def _is_reached(transit: Transit, ways: Mapping[str, End]) -> bool:
    """Whether what comes for a port can be sent on; if not, it is delivered here as long as its device is here."""
    return transit.comes or (transit.node in ways and not ways[transit.node].guarded)


def _sought(place: _Place, transit: Transit | None) -> _Place:
    return place if transit is None else replace(place, node=transit.node)


def _places(
    networks: Iterable[Network],
    bindings: Iterable[Binding],
    ids: Ids,
    version: int,
    joined: Mapping[str, Mapping[str, Localnet]],
) -> list[_Place]:
    nodes = {(binding.network, binding.port): binding.node for binding in bindings}
    found = []
    for network in networks:
        # Connections are for ACLs that speak of them; the others ask for no zones.
        tracked = any(acl.action == "allow-related" for acl in network.acls)
        translated = bool(network.load_balancers) or any(router.nat for router in network.routers)
        rates = {port.name: port.qos for port in network.ports if port.qos is not None}
        for port in network.ports:
            localnet = joined[network.name].get(port.switch) if port.localnet is not None else None
            node = nodes.get((network.name, port.name)) if localnet is None else localnet.home
            if node is not None:
                datapath = f"{network.name}/{port.switch}"
                numbers = number(ids.datapaths, datapath), number(ids.ports, f"{datapath}/{port.name}")
                names = network.name, port.name, port.switch
                kind = port.port_security, tracked, translated
                is_mute = localnet is not None and not localnet.speaks
                device, qos = device_of(network.name, port), shared(port, rates)
                place = _Place(*names, *numbers, port.mac, node, device, *kind, version, qos, is_mute)
                found.append(place)
    return found


class _Writer:
    def __init__(
        self,
        node: str,
        ways: Mapping[str, End],
        ends: Iterable[End],
        behind: Mapping[str, int],
        joined: Mapping[str, Mapping[str, Localnet]],
    ) -> None:
        self._joined = joined
        self._node = node
        self._ways = ways
        self._ends = tuple(ends)
        self._behind = behind

    def flows(self, places: list[_Place]) -> Iterator[Flow]:
        for end in self._ends:
            for port in end.ports:
                yield self._from_tunnel(end, port)
            if end.guarded:
                yield from self._from_external(end, [place for place in places if place.node == end.remote])
        node, by_datapath = self._node, defaultdict[int, list[_Place]](list)
        self._localnet_keys = {
            one.datapath: one.key for one in places if one.device.is_physical and one.node == node
        }
        for place in places:
            by_datapath[place.datapath].append(place)
            yield from self._local(place) if place.node == self._node else self._remote(place)
        for members in by_datapath.values():
            yield from self._flood(members)
            yield from self._in_this_version(members[0].network, members[0].datapath, members[0].version)
        yield from _nowhere()

    def _from_tunnel(self, end: End, port: TunnelPort) -> Flow:
        match, owner = fields(in_port=port), f"tunnel {end.remote}"
        if end.guarded:
            return flow(PHYSICAL_INGRESS, 100, match, (), f"unknown context from {end.remote}")
        actions: list[Action] = [Move(DATAPATH, Slice("metadata", 0, DATAPATH.bits))]
        if place := version_place(end.encapsulation):
            actions.append(Move(place, Slice("metadata", DATAPATH.bits, VERSION_BITS)))
        return flow(PHYSICAL_INGRESS, 100, match, (*actions, *_onward(end)), owner)

    def wires(self, network: Network, ids: Ids, version: int) -> Iterator[Flow]:
        """As for switches, in which version what comes by a wire is."""
        for name in wires(network):
            yield from self._in_this_version(
                network.name, number(ids.datapaths, f"{network.name}/{name}"), version
            )

    def _in_this_version(self, network: str, datapath: int, version: int) -> Iterator[Flow]:
        """What comes to a switch without a version, or in that of a node that is behind, is of this version."""
        owner, metadata = f"{VERSION_OF} {network}", in_version(datapath, version)
        if version and any(version_place(one.encapsulation) is None for one in self._ends):
            match = fields((FieldMatch("reg10", UNVERSIONED, UNVERSIONED),), metadata=datapath)
            known = SetField("metadata", metadata), SetField("reg10", FROM_TUNNEL)
            yield flow(RESPONDERS, 65000, match, (*known, Resubmit(RESPONDERS)), owner)
        for end in self._ends:
            if end.remote in self._behind and not end.guarded and version_place(end.encapsulation):
                for port in end.ports:
                    match = fields((_of_datapath(datapath),), in_port=port)
                    actions = (SetField("metadata", metadata), *_onward(end))
                    yield flow(PHYSICAL_INGRESS, 102, match, actions, owner)

    def _from_external(self, end: End, members: list[_Place]) -> Iterator[Flow]:
        """An endpoint without an agent speaks only in the switches where it has ports, and past the ACLs.

        With a source that none of its ports has it is not known which one speaks: not if all of them are secured.
        """
        port = end.port
        for datapath in sorted({place.datapath for place in members if not place.is_secure}):
            match = fields(in_port=port, tun_id=datapath)
            entry = self._enter(in_version(datapath, members[0].version), 0)
            yield flow(PHYSICAL_INGRESS, 105, match, entry, f"tunnel {end.remote}")
        for place in members:
            match = fields(in_port=port, tun_id=place.datapath, dl_src=place.mac)
            enter = self._enter(place.metadata, place.key, is_secure=place.is_secure)
            yield flow(PHYSICAL_INGRESS, 110, match, (*place.outward, *enter), place.owner)
            yield from _zones(place)

    def _enter(self, metadata: int, key: int, *, is_secure: bool = False) -> tuple[Action, ...]:
        mark = (SetField("metadata", metadata), SetField("reg14", key), SetField("reg10", FROM_TUNNEL))
        return (*mark, Resubmit(PORT_SECURITY if is_secure else FROM_PORT_ACL))

    def _local(self, place: _Place) -> Iterator[Flow]:
        device = place.device
        yield flow(PHYSICAL_INGRESS, 100 + device.rank, device.match, self._entry(place), place.owner)
        here = fields(metadata=place.metadata, reg15=place.key)
        if place.is_mute:
            yield flow(OUTPUT, 100, fields((*here, NOT_FROM_TUNNEL)), place.inward, place.owner)
        for table in () if place.is_mute else (OUTPUT, TUNNEL_DELIVERY):
            yield flow(table, 100, here, place.inward, place.owner)
        yield from delivery_flows(place.metadata, place.key, device, place.owner)
        yield from place.limits()
        yield from delivered_flows(device, place.qos, here, place.owner)
        yield from _zones(place)

    def _entry(self, place: _Place) -> tuple[Action, ...]:
        return (
            *place.device.taken,
            SetField("metadata", place.metadata),
            SetField("reg14", place.key),
            *((SetField("reg10", FROM_TUNNEL),) if place.is_mute else ()),
            *place.outward,
            Resubmit(entry_table(place.qos, place.first)),
        )

    def transits(self, moving: Iterable[tuple[_Place, Transit]]) -> Iterator[Flow]:
        """What ports on their way need besides the flows of ports that are elsewhere."""
        for place, transit in moving:
            entry, activates = self._entry(place), transit.activates
            yield from ingress_flows(place.device, entry, place.owner, activates=activates)
            yield from place.limits()
            yield from _zones(place)
            if (back := self._localnet_keys.get(place.datapath)) is not None:
                onward = place.inward if transit.comes else (Resubmit(REDIRECT),)
                yield returning_flow(place.metadata, place.key, back, place.owner, onward)
            if transit.comes:
                yield from coming_flows(place.metadata, place.key, place.device, place.owner, place.inward)
            else:
                mark = self._mark(transit.node, place, place.key)
                tunnel = self._ways[transit.node].port
                yield from leaving_flows(place.metadata, place.key, place.device, place.owner, mark, tunnel)

    def _remote(self, place: _Place) -> Iterator[Flow]:
        """Only what comes from here goes into a tunnel: never from one tunnel to another."""
        localnet = self._joined[place.network].get(place.switch)
        if localnet is not None and localnet.leads_to(place.node):
            yield self._beside(place, localnet)
            return
        if place.node not in self._ways:
            return
        match = fields((NOT_FROM_TUNNEL,), metadata=place.metadata, reg15=place.key)
        end = self._ways[place.node]
        port = end.port
        mark = self._mark(place.node, place, place.key)
        table = OUTPUT
        if end.guarded:
            yield flow(OUTPUT, 100, match, place.inward, place.owner)
            table, match = DELIVER, fields(metadata=place.metadata, reg15=place.key)
        yield flow(table, 100, match, (*mark, Output(port)), place.owner)
        if not carries_ports(end.encapsulation):
            # An endpoint without an agent lets us route for it, perhaps back to itself.
            yield flow(table, 110, fields(match, in_port=port), (*mark, OutputInPort()), place.owner)

    def groups(
        self, networks: Iterable[Network], places: list[_Place], memberships: Collection[Membership]
    ) -> Iterator[Flow]:
        """Where groups go on the switches that snoop."""
        snooping = {
            (network.name, one.name): one
            for network in networks
            for one in network.switches
            if one.multicast is not None
        }
        members: defaultdict[tuple[str, str], list[_Place]] = defaultdict(list)
        for place in places if snooping else ():
            members[place.network, place.switch].append(place)
        external = {end.remote for end in self._ends if end.tunnel.external}
        for (network, name), found in sorted(members.items()):
            if (network, name) in snooping:
                localnet = self._joined[network].get(name)
                beside = frozenset(one.port for one in found if one.is_mute and one.node == self._node)
                all_groups = {one.port for one in found if one.device.is_physical or one.node in external}
                around = Around(
                    self._node,
                    network,
                    found[0].metadata,
                    tuple(found),
                    self._ways.keys() if localnet is None else localnet.flooded(self._ways.keys()),
                    frozenset(all_groups) - beside,
                    beside,
                    partial(self._copy, found[0]),
                )
                yield from group_flows(around, snooping[network, name], memberships)

    def _copy(self, place: _Place, node: str, egress: int) -> tuple[Action, ...]:
        return (*self._mark(node, place, egress), Output(self._ways[node].port))

    def _beside(self, place: _Place, localnet: Localnet) -> Flow:
        """A port at a node that has the same physical network is reached by that."""
        key = self._localnet_keys[place.datapath]
        own = () if localnet.speaks else (NOT_FROM_TUNNEL,)
        match = fields(own, metadata=place.metadata, reg15=place.key)
        return flow(OUTPUT, 100, match, (SetField("reg15", key), Resubmit(DELIVER)), place.owner)

    def _flood(self, members: list[_Place]) -> Iterator[Flow]:
        owner = members[0].switch_owner
        local = tuple(self._flood_local(members))
        passed_on = tuple(self._flood_local([place for place in members if not place.is_mute]))
        remote: tuple[Action, ...] = ()
        localnet = self._joined[members[0].network].get(members[0].switch)
        nodes = {place.node for place in members} & self._ways.keys()
        for node in sorted(nodes if localnet is None else localnet.flooded(nodes)):
            remote += (*self._mark(node, members[0], FLOOD_KEY), Output(self._ways[node].port))
        match = fields(metadata=members[0].metadata, reg15=FLOOD_KEY)
        yield flow(OUTPUT, 90, match, passed_on, f"{owner} (flood)")
        yield flow(TUNNEL_DELIVERY, 90, match, passed_on, f"{owner} (flood)")
        if remote or passed_on != local:
            # Tunnels first: delivery below may change the packet, and reg15 with it.
            yield flow(OUTPUT, 100, fields((*match, NOT_FROM_TUNNEL)), (*remote, *local), f"{owner} (flood)")

    def _flood_local(self, members: list[_Place]) -> Iterator[Action]:
        for place in members:
            if place.node == self._node:
                yield SetField("reg15", place.key)
                yield Resubmit(TO_PORT_ACL)

    def _mark(self, node: str, place: _Place, egress: int) -> tuple[Action, ...]:
        """Write the context for what goes to `node`."""
        encapsulation, version = self._ways[node].encapsulation, self._ways[node].version
        mark = context(encapsulation, place.datapath, egress, version)
        actions: tuple[Action, ...] = (SetField("tun_id", mark),)
        if carries_ports(encapsulation):
            actions += (Move(Slice("reg14", 0, 16), INGRESS),)
        return actions


def _onward(end: End) -> tuple[Action, ...]:
    """Where what came out of a tunnel goes, its datapath being known."""
    if carries_ports(end.encapsulation):
        ports = Move(EGRESS, Slice("reg15", 0, 16)), Move(INGRESS, Slice("reg14", 0, 16))
        return (*ports, Resubmit(TUNNEL_DELIVERY))
    is_versioned = version_place(end.encapsulation) is not None
    return (SetField("reg10", FROM_TUNNEL | (0 if is_versioned else UNVERSIONED)), Resubmit(RESPONDERS))


def lets_in(one: Flow) -> bool:
    """Whether a flow says in which version a packet is: without these, a version only handles what is in it."""
    return one.table == PHYSICAL_INGRESS or one.owner.startswith(VERSION_OF)


def _of_datapath(datapath: int) -> FieldMatch:
    return FieldMatch("tun_id", datapath, (1 << DATAPATH.bits) - 1)


def _paused(node: str, places: list[_Place]) -> Iterator[Flow]:
    """What workloads of a paused network send is dropped under a name of its own."""
    for place in places:
        if place.node == node:
            device, owner = place.device, f"network {place.network} (paused)"
            yield flow(PHYSICAL_INGRESS, 100 + device.rank, device.match, (), owner)


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
        here = FieldMatch("metadata", place.metadata), FieldMatch(register, place.key)
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
    yield flow(ANSWER, 0, (), (OutputInPort(),), "answer")
