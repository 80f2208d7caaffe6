"""One pass of the agent: from what it knows to a switch that is so, and to what it reports.

The order makes changes without gaps: interfaces, attachments, flows, then the claim of bindings; what is
not needed any more goes last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import structlog

from tulle import store
from tulle.agent import abilities, interfaces, placing
from tulle.agent.appliances import ApplianceHealth, said_by, still_said, watched_appliances
from tulle.agent.applied import applied_generations
from tulle.agent.attacher import Attacher, Wanted
from tulle.agent.claiming import write_claims, write_releases
from tulle.agent.collectors import collectors
from tulle.agent.compilation import NOTHING, Compilation, Compiled, Tunnels
from tulle.agent.editions import Editions, Found, Live, found_in_switch, kept_networks, stamped_network
from tulle.agent.external_zones import external_zones, new_zones, sharing_ports
from tulle.agent.flowtable import FlowTable, metadata_of
from tulle.agent.following import Following, concerns_places, looks_around
from tulle.agent.handing import Handing, Zones, hearing, tracked, write_states
from tulle.agent.interfaces import Interface, Present
from tulle.agent.joined import announcements, joined_networks, write_speakers
from tulle.agent.mtus import network_mtus
from tulle.agent.multicast import Snooping
from tulle.agent.placing import Lingering, Places
from tulle.agent.retiring import Retiring, tunnel_of
from tulle.agent.situation import Options, Situation
from tulle.agent.slowpath import Answer
from tulle.agent.snooped import snooped_switches
from tulle.agent.stranded import stranded
from tulle.agent.translation_zones import translation_zones
from tulle.agent.tunnel_pairs import TunnelPairs, known_nodes
from tulle.agent.view import PortName, View
from tulle.agent.zones import Ports, forget, forget_connections, remembered, reused_zones
from tulle.control import (
    all_tunnels_of,
    attachments,
    in_path,
    placement,
    tunnels_of,
)
from tulle.control.localnets import Physical
from tulle.encap import encapsulations
from tulle.errors import TulleError
from tulle.ovsdb import Replica, RowEvent, Transaction
from tulle.store import Writer, layer2, moving, source
from tulle.values import (
    Attachment,
    LocalPort,
    Membership,
    Node,
    NodeReport,
    TunnelEnd,
    TunnelPort,
    Zone,
)

_logger = structlog.get_logger(__name__)


class Reconciler:
    """Holds what survives from one pass to the next; `run_once` is a pass."""

    def __init__(
        self,
        options: Options,
        replicas: tuple[Replica, Replica, Replica],
        flows: FlowTable,
        canonical: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self.node = Node(
            options.name,
            options.address,
            options.encapsulations,
            second_address=options.second_address,
        )
        self.intent, self.state, self.switch = replicas
        self.attacher = Attacher()
        self.lingering = Lingering()
        self.retiring = Retiring()
        self._canonical = canonical
        self.editions = Editions(options.name)
        self.health = ApplianceHealth()
        self.compilation = Compilation(options.name, canonical)
        self.compiled: Compiled = NOTHING
        self.recomputed: Callable[[], Compiled] | None = None
        """What the last pass should have come to, worked out anew and in full; it may run on another thread.

        None while the switch has flows that no computation gives: of networks that wait for numbers, or of versions
        that only the switch knows of.
        """
        self.handing = Handing(options.name, options.switch / "vswitchd.ctl")
        self._waiting: frozenset[PortName] = frozenset()
        self._activated: set[PortName] = set()
        self.former_owners: Mapping[int, str] = {}
        self.ports: dict[LocalPort | TunnelPort, int] = {}
        self.mtus: dict[str, int] = {}
        self._zones: Ports | None = None
        self.view: View | None = None
        self._following = Following(self.intent, self.state)
        self._local: tuple[str, ...] = ()
        self._served: frozenset[PortName] = frozenset()
        self._reported: dict[str, int] = {}
        self._shaped: frozenset[str] = frozenset()
        self._outside: dict[LocalPort, int] | None = None
        self._translating: dict[Zone, int] | None = None
        self._down: frozenset[tuple[str, str, str]] = frozenset()
        self._asked = options.encapsulations
        self._physical = options.physical
        self.snooping = Snooping(clock)
        self.sharing: frozenset[LocalPort] = frozenset()
        self.announced: list[Answer] = []
        self._live_now: Mapping[str, Live] = {}
        self._control = options.switch / "vswitchd.ctl"
        self._flows = flows
        self._clock = clock
        self.underlay_mtu = options.underlay_mtu

    async def run_once(self) -> None:
        """Do all that can be done now; raises `TulleError` if a peer is missing or refuses."""
        spoken = abilities.spoken(self._asked, source(self.switch))
        self.node = msgspec.structs.replace(self.node, encapsulations=spoken)
        if interfaces.needs_bridge(source(self.switch)):
            await self._commit(self.switch, interfaces.write_bridge(self.switch.schema, source(self.switch)))
        view = self.view = self._following.view()
        there = interfaces.present(source(self.switch))
        places = self._places(view, there)
        # What happens during this pass is judged by what it is about.
        self._shaped |= {network for network, _ in places.local}
        self._served |= places.local
        await self._hand_over(view, places, interfaces.numbers(there))
        desired = self._desired_interfaces(view, places)
        if added := interfaces.missing(there, desired):
            await self._write_interfaces(added, interfaces.renamed(there, added))
            there = interfaces.present(source(self.switch))
        await self._commit(self.switch, self._health(view, there, desired))
        marks = interfaces.write_marks(self.switch.schema, there, desired)
        await self._commit(self.switch, marks)
        attached = await self.attacher.update(self._attachments(view, places, there))
        self.mtus = self._mtus(view, places)
        mtus = interfaces.write_mtus(self.switch.schema, there, self.mtus)
        await self._commit(self.switch, mtus)
        kept = self.retiring.update(there, {one.name for one in desired}, self._clock())
        situation = self._situation(view, there, places, attached, kept)
        await self._apply_flows(situation)
        await self._hand_over(view, places, self.ports)
        self.lingering.serve(frozenset(situation.ready & places.local))
        await self._report(situation)
        surplus = interfaces.surplus(interfaces.present(source(self.switch)), desired)
        if removed := [one for one in surplus if one.interface.name not in kept]:
            await self._write_interfaces([], removed)

    async def run_logical(self) -> None:
        """The same where nothing has changed but what networks are inside: only flows may be others."""
        view = self._following.view()
        if not self._is_calm(view):
            await self.run_once()
            return
        self.view = view
        networks = [view.networks[name].network for name in self._local]
        before = self.compilation.compiled_count
        self.compiled = self.compilation.recompile(networks, view.ids)
        self._note_compiled(frozenset())
        await self._send_flows(self.compiled)
        if self._flows.refusals.reasons:
            await self.run_once()  # which tells of it
            return
        _logger.debug("compiled", objects=self.compilation.compiled_count - before)
        writer = Writer(self.state.schema)
        store.write_node(writer, source(self.state), self.node, self._applied(view))
        if writer.operations:
            await self.state.transact(writer.operations)

    def _is_calm(self, view: View) -> bool:
        """Whether places, versions and translations are as the last pass found them, and nothing is on its way."""
        before = self.view
        return (
            before is not None
            and self.compilation.is_begun
            and all(name in one.networks for one in (before, view) for name in self._local)
            and not (view.prepared or self._waiting or self._activated)
            and self.next_end() is None
            and not self.attacher.failed
            and not self.editions.holding()
            and all(map(self.editions.is_settled, self._local))
            and before.turns == view.turns
            and before.down == view.down
            and before.versions == view.versions
            and not any(
                looks_around(one.networks[name].network) for one in (before, view) for name in self._local
            )
        )

    def concerns_places(self, event: RowEvent) -> bool:
        """Whether `run_logical` is not enough after an event."""
        return concerns_places(event, self._served, self._shaped)

    def activate(self, port: PortName) -> None:
        """A port that is prepared here has spoken here: the next pass takes it."""
        if port not in self._activated:
            _logger.info("speaks here", port="/".join(port))
            parent = port if self.view is None else self.view.parents.get(port, port)
            family = {parent} if self.view is None else self.view.with_children(frozenset({parent}))
            self._activated |= {port, *family}

    @property
    def has_compiled(self) -> bool:
        """Whether it is known which flow counts for what."""
        return self.compiled is not NOTHING

    def _known(self, ports: Ports, zones: Mapping[Zone, int]) -> Zones:
        """The zones of connections, also of ports without a device of their own, and of translations."""
        return dict((*(self._outside or {}).items(), *ports.items(), *zones.items()))

    async def _hand_over(self, view: View, places: Places, ports: Ports) -> None:
        """Give connections to the nodes that ports move to, as soon as there is something to give."""
        departing = tracked(view, placing.departing(view, self.node.name, places))
        known: Zones = self._known(ports, self._translating or {})
        given = await self.handing.give(departing, places.lingering, known, self._clock())
        writer = Writer(self.state.schema)
        write_states(writer, source(self.state), self.node.name, given, departing)
        if writer.operations:
            try:
                await self.state.transact(writer.operations)
            except TulleError as error:
                # A port moves without its connections rather than not at all.
                _logger.warning("connections not handed on", error=str(error))

    def _health(self, view: View, there: dict[str, Present], desired: list[Interface]) -> Transaction:
        """A node with one endpoint waits for those with two; these do as they are to at once."""
        doubled = {one.name for one in view.nodes.values() if one.second_address}
        waited = frozenset() if self.node.second_address else doubled
        return interfaces.write_health(self.switch.schema, there, desired, waited)

    def ways(self, network: str) -> dict[str, str]:
        """The encapsulation in which a network goes to and comes from each node."""
        if self.view is None:
            return {}
        known = known_nodes(self.view, self.node)
        found = tunnels_of(self.node.name, self.view.tunnels, known, network)
        return {one.remote: one.encapsulation for one in found}

    def begin_anew(self) -> None:
        """Compile everything again at the next pass."""
        self.compilation = Compilation(self.node.name, self._canonical)

    def next_end(self) -> float | None:
        """When something that is still served is to go."""
        holders = (self.lingering, self.retiring, self.handing, self.editions, self._flows.refusals)
        ends = [one.next_end() for one in holders]
        return min((end for end in ends if end is not None), default=None)

    def _places(self, view: View, there: dict[str, Present]) -> Places:
        name = self.node.name
        coming = placing.coming(view, name)
        self._activated &= coming
        foreign = view.with_children(interfaces.foreign_ports(there))
        wanted = placing.wanted(view, name, foreign) | self._activated
        held, coming = placing.held(view, name), coming - self._activated
        lingering = self.lingering.update(view, name, wanted | held | coming, self._clock())
        return Places(wanted, held, lingering, coming)

    def _desired_interfaces(self, view: View, places: Places) -> list[Interface]:
        """Taps for the ports that have a namespace here, and tunnels to the nodes that share a network."""
        name = self.node.name
        spaces = {
            (network.name, port.name)
            for network in view.all_networks
            for port in network.ports
            if port.namespace
        }
        taps = [interfaces.tap_interface(name, port) for port in sorted(places.local & spaces)]
        bindings = placing.effective_bindings(view, name, places, places.local)
        remotes = placing.needed_remotes(view, name, places, bindings)
        tunnels = [
            interface
            for tunnel in all_tunnels_of(name, view.tunnels, known_nodes(view, self.node))
            if tunnel.remote in remotes
            for interface in interfaces.tunnel_interfaces(self.node, tunnel)
        ]
        here = {network for network, _ in places.local}
        local = (network for network in view.all_networks if network.name in here)
        devices = interfaces.physical_interfaces(name, self._physical, local)
        return [*tunnels, *taps, *devices, *collectors(self.node, view, places)]

    def _attachments(self, view: View, places: Places, there: dict[str, Present]) -> dict[str, Wanted]:
        taps = {one.logical_port: one for one in there.values() if one.own and one.works and one.logical_port}
        out: dict[str, Wanted] = {}
        for attachment in self._attachment_values(view, places):
            network, _, port = attachment.port.partition("/")
            tap = taps.get((network, port))
            if tap is not None:
                # Not while it lingers: what is sent by a device that is about to go would be lost with it.
                preferred = view.bindings.get((network, port)) == self.node.name
                out[attachment.port] = Wanted(attachment, tap.interface.name, tap.ifindex, preferred)
        return out

    def _attachment_values(self, view: View, places: Places) -> tuple[Attachment, ...]:
        local = placing.local_bindings(self.node.name, places)
        return attachments(self.node.name, view.all_networks, local, self._mtus(view, places))

    def _mtus(self, view: View, places: Places) -> dict[str, int]:
        """Of each network, in bytes."""
        bindings = placing.effective_bindings(view, self.node.name, places, frozenset())
        own = {self.node.name: NodeReport(self.underlay_mtu)}
        return network_mtus(view, bindings, {**store.reports(source(self.state)), **own}, self.underlay_mtu)

    def _situation(
        self,
        view: View,
        there: dict[str, Present],
        places: Places,
        attached: frozenset[str],
        kept: frozenset[str],
    ) -> Situation:
        name = self.node.name
        working = [one for one in there.values() if one.works and one.logical_port is not None]
        ready = frozenset(
            one.logical_port
            for one in working
            if one.logical_port is not None and (not one.own or "/".join(one.logical_port) in attached)
        )
        ready = view.with_children(ready)
        bindings = placing.effective_bindings(view, name, places, ready)
        remotes = placing.needed_remotes(view, name, places, bindings)
        retiring = tuple(tunnel_of(there[one], view.nodes) for one in sorted(kept))
        return Situation(view, there, places, ready, bindings, remotes, retiring, attached)

    async def _apply_flows(self, now: Situation) -> None:
        placed = placement(self.node.name, now.view.all_networks, now.bindings)
        tunnels = self._tunnels(now)
        self.ports = interfaces.numbers(now.there)
        self.handing.forget(now.places.local)
        await forget_connections(self._control, reused_zones(self._zones, self.ports))
        names = (one.logical_port for one in now.there.values())
        plugged = {LocalPort("/".join(name)) for name in names if name is not None}
        self._zones = remembered(self._zones, self.ports, plugged)
        self.sharing = frozenset(sharing_ports(self.node.name, placed.networks, placed.bindings))
        outside = external_zones(placed.bindings, tunnels.all, self.ports.values(), self.sharing)
        await forget_connections(self._control, new_zones(self._outside, outside))
        self._outside = outside
        live, frozen = await self._live(now.view)
        self._live_now = live
        taken = {*self.ports.values(), *outside.values()}
        versions = (*placed.networks, *kept_networks(live))
        zones = translation_zones(self.node.name, versions, placed.bindings, tunnels.all, taken)
        await forget_connections(self._control, new_zones(self._translating, zones))
        self._translating = zones
        known: Zones = self._known(self.ports, zones)
        await self.handing.take(moving.port_states(source(self.state)), known)
        wanted = (now.places.wanted - self._activated) | now.places.coming
        heard = hearing(source(self.state), self.node.name)
        self._waiting = self.handing.waiting(now.view, wanted, now.ready, heard, self._clock())
        self._watch(now, live)
        members = self._members(now, live)
        physical = self._physical_networks(now)
        told = {(network, name) for _, network, name in now.view.appliances}
        inputs = (
            tuple(in_path(one, placed.bindings, told) for one in placed.networks),
            placed.bindings,
            tunnels,
            now.view.ids,
            encapsulations(),
            self.ports,
            interfaces.unheard(now.there),
            now.view.down,
            live,
            placing.transits(now.view, self.node.name, now.places, now.ready, self._waiting),
            self.health.dead,
            physical,
            members,
        )
        self.compiled = self.compilation.compile(*inputs)
        self._note_compiled(frozen)
        ended = self.editions.has_ended
        self._local = tuple(one.name for one in placed.networks)
        self._served = frozenset(now.view.bindings) | now.places.local | interfaces.foreign_ports(now.there)
        self._shaped = frozenset(port.rpartition("/")[0] for port in now.attached)
        await self._send_flows(self.compiled, frozen, count_gone=ended)
        down, by_name = now.view.down, {one.name: one for one in placed.networks}
        await forget(self._control, list(stranded(by_name, zones, down - self._down)))
        self._down = down

    async def _send_flows(
        self, made: Compiled, frozen: frozenset[int] = frozenset(), *, count_gone: bool = False
    ) -> None:
        changed, holders = made.changed, made.holders
        await self._flows.apply(
            made.texts,
            made.meters,
            frozen,
            changed=changed,
            holders=holders,
            datapaths=self.view.ids.datapaths if self.view is not None else {},
            count_gone=count_gone,
        )

    def late(self) -> frozenset[str]:
        """The networks here that have not the flows that they should have: they wait for numbers, or were refused."""
        refused = self._flows.refusals.reasons.keys()
        return frozenset({*self.compilation.pending, *refused, *(self._local if "" in refused else ())})

    def _note_compiled(self, frozen: frozenset[int]) -> None:
        self.former_owners = self.compiled.former
        is_known = not (self.compilation.pending or frozen)
        self.recomputed = self.compilation.anew() if is_known else None

    async def _live(self, view: View) -> tuple[Mapping[str, Live], frozenset[int]]:
        """Which versions of networks there are, and what `metadata` holds in those that only the switch knows of."""
        latest, found = self.compilation.latest, Found()
        if missing := self.editions.missing(view.versions, view.turns, latest, self._clock()):
            flows = await self._flows.present()
            found = found_in_switch(view.ids, missing, {metadata_of(text) for text in flows.values()})
        live = self.editions.update(view.versions, view.turns, latest, found, self._clock())
        return live, found.metadata

    def _physical_networks(self, now: Situation) -> Physical:
        own = {self.node.name: interfaces.physical_networks(now.there)}
        return Physical({**now.view.physical, **own}, now.view.speakers)

    def _members(self, now: Situation, live: Mapping[str, Live]) -> frozenset[Membership]:
        """Which ports have joined which groups, as this node has heard and as others say."""
        view, here = now.view, now.ready & now.places.local
        networks = [stamped_network(one, live) for one in view.all_networks]
        self.snooping.configure(snooped_switches(networks, view.ids, live, here))
        self.snooping.adopt(view.memberships, self.node.name)
        others = {one for at, one in view.memberships if at != self.node.name}
        return frozenset(others) | self.snooping.memberships

    def _watch(self, now: Situation, live: Mapping[str, Live]) -> None:
        """Look after the appliances that packets pass here, in the versions that they enter."""
        numbers = {port.name: number for port, number in self.ports.items() if isinstance(port, LocalPort)}
        served = now.ready & now.places.local
        unlinked = interfaces.unlinked(source(self.switch), now.there)
        networks = [stamped_network(one, live) for one in now.view.all_networks]
        found = watched_appliances(networks, numbers, served, unlinked)
        self.health.watch(found, said_by(now.view, self.node.name))

    def _write_appliances(self, writer: Writer, now: Situation) -> None:
        """What this node knows of appliances; what it said of one stays until another node speaks of it."""
        kept = still_said(now.view, self.node.name, self.health.states)
        store.write_appliances(writer, source(self.state), self.node.name, self.health.states, kept)

    def _ends(self, now: Situation) -> tuple[TunnelEnd, ...]:
        """What this node can say of its tunnels, now that the flows are in place."""
        pairs = TunnelPairs(self.node.name, now.view.tunnels, known_nodes(now.view, self.node), now.remotes)
        return tuple(pairs.ends(interfaces.receiving(now.there), self.compiled.sends))

    def _tunnels(self, now: Situation) -> Tunnels:
        pairs = TunnelPairs(self.node.name, now.view.tunnels, known_nodes(now.view, self.node), now.remotes)
        return pairs.tunnels(now.retiring)

    async def _report(self, now: Situation) -> None:
        """Claim what is ready here, let go what is not wanted, and say what has been applied."""
        writer, state, name = Writer(self.state.schema), source(self.state), self.node.name
        claims = placing.claims(now.view, name, now.places, now.ready - self._waiting)
        write_claims(writer, state, name, claims, now.there)
        write_releases(writer, state, name, set(placing.releases(now.view, name, now.places)))
        capabilities = abilities.capabilities(source(self.switch))
        physical, refused = interfaces.physical_networks(now.there), self._flows.refusals.reasons
        report = NodeReport(self.underlay_mtu, capabilities, refused, physical)
        applied = self._applied(now.view)
        store.write_node(writer, state, self.node, applied, report)
        here = {*self.compilation.latest, *applied, *self.editions.holding()}
        told = self.editions.report(here, self.late())
        store.write_version_report(writer, state, name, told)
        store.write_tunnel_ends(writer, state, name, self._ends(now))
        self._write_appliances(writer, now)
        moving.write_ready(writer, state, name, now.places.coming & now.ready - self._waiting)
        joined = joined_networks(name, now.view.all_networks, now.bindings, self._physical_networks(now))
        write_speakers(writer, state, name, joined)
        layer2.write_memberships(writer, state, name, self.snooping.memberships)
        if writer.operations:
            await self.state.transact(writer.operations)
        self.announced += announcements(claims, joined, now.view.ids, self._live_now)

    def _applied(self, view: View) -> dict[str, int]:
        before = store.applied(source(self.state)).get(self.node.name, {})
        own = frozenset(self._local), self.late(), self._reported
        self._reported = applied_generations(view, *own, before, self.editions)
        return self._reported

    async def _write_interfaces(self, add: list[Interface], remove: list[Present]) -> None:
        _logger.info(
            "interfaces", add=[one.name for one in add], remove=[one.interface.name for one in remove]
        )
        schema, rows = self.switch.schema, source(self.switch)
        await self._commit(self.switch, interfaces.write_interfaces(schema, rows, add, remove))

    async def _commit(self, replica: Replica, transaction: Transaction) -> None:
        if transaction.operations:
            await replica.transact(transaction)
