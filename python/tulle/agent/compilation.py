"""The flows that this node needs: of each network what is the same everywhere, and what depends on place.

Only what a change touches is compiled again, object by object; `compiled_count` tells how many objects that were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from tulle.agent.editions import Edition, Live, kept_networks, placed
from tulle.agent.external_zones import external_zones, sharing_ports
from tulle.agent.flowset import NOTHING_TOLD, FlowSet, Unit, told
from tulle.agent.translation_zones import translation_zones
from tulle.control import compile_node, lets_in, versioned
from tulle.control.localnets import NO_PHYSICAL, Physical
from tulle.errors import NotFound
from tulle.logical import compile_probes, compile_services
from tulle.logical.differing import differing
from tulle.logical.incremental import Incremental
from tulle.logical.numbers import grouped
from tulle.logical.translation import is_translated
from tulle.openflow import flow_texts
from tulle.openflow.flows import FlowTexts
from tulle.values import (
    Binding,
    Encapsulation,
    Flow,
    Ids,
    Limit,
    LocalPort,
    LogicalPort,
    Membership,
    Network,
    NetworkServices,
    Probe,
    RouterInterface,
    TunnelInterface,
    TunnelPort,
    Zone,
)
from tulle.values.moving import Transit

Symbol = LocalPort | TunnelPort | Zone
Ports = Mapping[Symbol, int]

Down = frozenset[tuple[str, str, str]]


class Compiled(Struct, frozen=True):
    """What all networks came to on this node.

    `texts` maps flow keys to canonical text; `reasons` says why a flow hands packets to the agent,
    by (table, cookie); `owners` names cookies; `meters` are how many packets a second flows may hand up, and what ports
    are limited to; `sends` are the tunnels that packets leave by, `probes` the backends that may be asked how they are.
    `changed` are the keys of `texts` that may be others than in the compilation before, with the network of each, or
    None where all may be; `holders` are the units that keys are of, which begin with their network.
    `former` names cookies that are gone since then.
    The mappings are the compilation's own, which go on with it.
    """

    texts: Mapping[str, str]
    reasons: Mapping[tuple[int, int], str]
    owners: Mapping[int, str]
    routers: tuple[RouterInterface, ...]
    meters: Mapping[int, int | Limit] = {}
    sends: frozenset[TunnelPort] = frozenset()
    probes: tuple[Probe, ...] = ()
    services: tuple[NetworkServices, ...] = ()
    changed: Mapping[str, str] | None = None
    holders: Mapping[str, Unit] = {}
    former: Mapping[int, str] = {}


class Tunnels(Struct, frozen=True):
    """The tunnels of this node: `all` are received by; networks in `own` send by those, the rest by `usual`."""

    all: tuple[TunnelInterface, ...] = ()
    usual: tuple[TunnelInterface, ...] = ()
    own: Mapping[str, tuple[TunnelInterface, ...]] = {}

    def of(self, network: str) -> tuple[TunnelInterface, ...]:
        """Those that a network sends by."""
        return self.own.get(network, self.usual)


NOTHING = Compiled({}, {}, {}, ())
ENTRY, PLACED, LOGICAL = range(3)
NOWHERE: tuple[Binding, ...] = ()
NOT_LIVE = Live()


class Inputs(Struct, frozen=True):
    """What the flows of all networks follow from beside networks and numbers; see `Compilation.compile`."""

    everywhere: tuple[Binding, ...]
    bindings: Mapping[str, tuple[Binding, ...]]
    tunnels: Tunnels
    encapsulations: Mapping[str, Encapsulation]
    ports: Mapping[str, Ports]
    unheard: frozenset[TunnelPort]
    down: Mapping[str, frozenset[tuple[str, str]]]
    live: Mapping[str, Live]
    transits: Mapping[str, tuple[Transit, ...]]
    dead: frozenset[str]
    physical: Physical
    memberships: Mapping[str, tuple[Membership, ...]]


class Compilation:
    """Keeps what each network, in each version that is live, came to with the inputs that it came from.

    `latest` are the networks as they were compiled last.
    `pending` names the networks that cannot be compiled yet, and why: they stay as they were.
    `compiled_count` counts the objects that were compiled, since the beginning.
    """

    def __init__(self, node: str, canonical: Callable[[str], str]) -> None:
        self._node = node
        self._canonical = canonical
        self._flows = FlowSet()
        self._kept: dict[tuple[str, int], _Kept] = {}
        self._inputs: Inputs | None = None
        self._given: tuple[Any, ...] = ()
        self._last: tuple[tuple[Network, ...], Ids] = (), Ids()
        self._routers: tuple[RouterInterface, ...] = ()
        self._is_new = True
        self.compiled_count = 0
        self.latest: dict[str, Edition] = {}
        self.pending: dict[str, str] = {}

    def compile(
        self,
        networks: Iterable[Network],
        bindings: Iterable[Binding],
        tunnels: Tunnels,
        ids: Ids,
        encapsulations: Mapping[str, Encapsulation],
        ports: Mapping[LocalPort | TunnelPort, int],
        unheard: frozenset[TunnelPort] = frozenset(),
        down: Down = frozenset(),
        live: Mapping[str, Live] = MappingProxyType({}),
        transits: Iterable[Transit] = (),
        dead: frozenset[str] = frozenset(),
        physical: Physical = NO_PHYSICAL,
        memberships: frozenset[Membership] = frozenset(),
    ) -> Compiled:
        """All flows of these networks, joined; `unheard` as in `emit_flow`, `down` as (network, balancer, address).

        `live` says which versions there are; `dead`, `physical` and `memberships` as in `compile_node`.
        """
        networks, bindings, transits = tuple(networks), tuple(bindings), tuple(transits)
        sharing = sharing_ports(self._node, networks, bindings)
        outside = external_zones(bindings, tunnels.all, ports.values(), sharing)
        taken = {*ports.values(), *outside.values()}
        versions = (*networks, *kept_networks(live))
        zones = translation_zones(self._node, versions, bindings, tunnels.all, taken)
        numbered: Ports = dict([*ports.items(), *outside.items(), *zones.items()])
        given = bindings, tunnels, encapsulations, ports, unheard, down, live, transits, dead
        self._given = *given, physical, memberships
        self._inputs = Inputs(
            bindings,
            _by_network(bindings),
            tunnels,
            dict(encapsulations),
            _ports_by_network(numbered),
            unheard,
            _down_by_network(down),
            live,
            _by_network(transits),
            dead,
            physical,
            _by_network(sorted(memberships)),
        )
        return self.recompile(networks, ids)

    @property
    def is_begun(self) -> bool:
        """Whether there is anything to `recompile` from."""
        return self._inputs is not None

    def recompile(self, networks: Iterable[Network], ids: Ids) -> Compiled:
        """The same where only what networks are inside, and numbers, may be others than last time."""
        assert self._inputs is not None
        inputs, live = self._inputs, self._inputs.live
        networks = tuple(networks)
        self._last = networks, ids
        self.pending, self.latest = {}, {}
        numbers = _ids_by_network(ids)
        for network in (Network(""), *networks):
            name = network.name
            version, own = live.get(name, NOT_LIVE).version, numbers.get(name, NO_IDS)
            self.latest[name] = Edition(network, version, inputs.bindings.get(name, NOWHERE), own)
        former = [placed(one, inputs.everywhere) for several in live.values() for one in several.kept]
        moved, known = False, set[tuple[str, int]]()
        for edition in (*self.latest.values(), *former):
            known.add((edition.network.name, edition.version))
            moved |= self._update(edition, inputs)
        for which in self._kept.keys() - known:
            moved |= any(list(map(self._flows.drop, self._kept.pop(which).units())))
        if moved:
            self._flows.summarize()
        return self._compiled(live)

    def anew(self) -> Callable[[], Compiled]:
        """Gives what a full computation comes to for what was given last; it may be called on another thread."""
        (networks, ids), given = self._last, self._given
        bindings, *others = given
        return lambda: Compilation(self._node, self._canonical).compile(
            networks, bindings, others[0], ids, *others[1:]
        )

    def _compiled(self, live: Mapping[str, Live]) -> Compiled:
        flows = self._flows
        changed, flows.changed = flows.changed, {}
        former, flows.former = flows.former, {}
        parts = [self._kept[which] for which in sorted(self._kept)]
        routers = tuple(chain.from_iterable(one.routers for one in parts))
        if routers != self._routers:
            self._routers = routers
        is_new, self._is_new = self._is_new, False
        return Compiled(
            flows.texts,
            flows.reasons,
            flows.owners,
            self._routers,
            flows.meters,
            flows.sends,
            tuple(chain.from_iterable(one.probes for one in parts if one.is_entered(live))),
            tuple(chain.from_iterable(one.services for one in parts if one.is_entered(live))),
            None if is_new else changed,
            flows.holders,
            former,
        )

    def _update(self, edition: Edition, inputs: Inputs) -> bool:
        """Bring one version of a network up to date; whether it may say other things beside its flows than before."""
        network, version = edition.network, edition.version
        name = network.name
        kept = self._kept.setdefault((name, version), _Kept(name, version))
        numbers = kept.versioned(edition.ids)
        try:
            placed_here = self._placed(kept, edition, inputs)
            delta = kept.logical.update(network, numbers, inputs.down.get(name, frozenset()))
        except NotFound as error:
            if version == inputs.live.get(name, NOT_LIVE).version:
                self.pending[name] = str(error)
            return False
        unit = name, version
        moved = [self._put((*unit, LOGICAL, *one), flows, {}) for one, flows in delta.compiled.items()]
        moved += [self._flows.drop((*unit, LOGICAL, *one)) for one in delta.gone]
        kept.logical_units.difference_update(delta.gone)
        kept.logical_units.update(delta.compiled)
        kept.routers = delta.routers
        kept.ask(network, numbers, again=bool(delta.compiled or delta.gone))
        moved.append(self._put_placed(kept, placed_here, inputs))
        return any(moved)

    def _put_placed(
        self, kept: _Kept, compiled: tuple[tuple[Any, ...], tuple[Flow, ...]] | None, inputs: Inputs
    ) -> bool:
        """What depends on place, and of it what lets packets in while they are to be."""
        unit, moved = (kept.name, kept.version), False
        if compiled is not None:
            kept.placed, flows = compiled
            plugged = {**inputs.ports.get(kept.name, {}), **inputs.ports.get("", {})}
            kept.texts.begin(plugged, inputs.unheard)
            kept.entries = kept.texts.of(filter(lets_in, flows), self._canonical)
            texts = kept.texts.of((one for one in flows if not lets_in(one)), self._canonical)
            kept.texts.end()
            self.compiled_count += 1
            moved = self._flows.put((*unit, PLACED), texts, told(flows, plugged))
        is_entered = kept.is_entered(inputs.live)
        if is_entered and (compiled is not None or not kept.was_entered):
            self._flows.put((*unit, ENTRY), kept.entries, NOTHING_TOLD)
        elif kept.was_entered and not is_entered:
            self._flows.drop((*unit, ENTRY))
        kept.was_entered = is_entered
        return moved

    def _put(self, unit: tuple[Any, ...], flows: Collection[Flow], ports: Ports) -> bool:
        self.compiled_count += 1
        return self._flows.put(unit, flow_texts(flows, ports, self._canonical), told(flows))

    def _placed(
        self, kept: _Kept, edition: Edition, inputs: Inputs
    ) -> tuple[tuple[Any, ...], tuple[Flow, ...]] | None:
        """The flows that depend on place, and what they follow from; None where they are as they were.

        The network without a name stands for what every node has, such as the tunnels.
        """
        network, bindings, ids = edition.network, edition.bindings, edition.ids
        name, tunnels = network.name, inputs.tunnels
        behind = inputs.live.get(name, NOT_LIVE).behind
        ways, transits = (tunnels.of(name), tunnels.all), inputs.transits.get(name, ())
        facts = (ways, inputs.encapsulations, inputs.ports.get(name), inputs.ports.get(""), inputs.unheard)
        bound = kept.bound(network, bindings)
        numbers = [_numbers(name, port, ids) for port in bound]
        tracked = any(acl.action == "allow-related" for acl in network.acls)
        kind = tracked, is_translated(network), network.paused
        # What is inserted looks at all of a network, and at numbers of its own.
        inserted = (network, ids, inputs.dead) if network.appliances or network.mirrors else None
        snooping = tuple(one for one in network.switches if one.multicast is not None)
        members = inputs.memberships.get(name, ()) if snooping else ()
        joined = inputs.physical if any(port.localnet is not None for port in bound) else NO_PHYSICAL
        follows = (
            *(bindings, facts, bound, numbers, kind, behind, transits, inserted),
            *(snooping, members, joined),
        )
        if kept.placed == follows:
            return None
        shown = Network(
            name,
            snooping,
            ports=tuple(bound),
            acls=network.acls,
            routers=network.routers,
            load_balancers=network.load_balancers,
            paused=network.paused,
        )
        if inserted is not None:
            shown = network
        sending, receiving = ways
        known, version = inputs.encapsulations, edition.version
        return follows, compile_node(
            self._node,
            (shown,),
            bindings,
            sending,
            ids,
            known,
            version,
            receiving,
            behind,
            transits,
            dead=inputs.dead,
            physical=joined,
            memberships=members,
        )


class _Kept:
    """What is kept of one version of a network."""

    def __init__(self, name: str, version: int) -> None:
        self.name, self.version = name, version
        self.logical = Incremental()
        self.logical_units: set[tuple[Any, ...]] = set()
        self.placed: tuple[Any, ...] | None = None
        self.entries: Mapping[str, str] = {}
        self.texts = FlowTexts()
        self.was_entered = False
        self.routers: tuple[RouterInterface, ...] = ()
        self.probes: tuple[Probe, ...] = ()
        self.services: tuple[NetworkServices, ...] = ()
        self._asked: Network | None = None
        self._bound: list[LogicalPort] = []
        self._ports: tuple[LogicalPort, ...] = ()
        self._bindings: tuple[Binding, ...] | None = None
        self._names: set[str] = set()

    def units(self) -> list[tuple[Any, ...]]:
        """All units of it."""
        unit = self.name, self.version
        return [(*unit, ENTRY), (*unit, PLACED), *((*unit, LOGICAL, *one) for one in self.logical_units)]

    def is_entered(self, live: Mapping[str, Live]) -> bool:
        """Whether packets get into this version."""
        return self.version == live.get(self.name, NOT_LIVE).stamped

    def versioned(self, ids: Ids) -> Ids:
        """The numbers by which the flows of this version know datapaths."""
        return versioned(ids, self.version)

    def ask(self, network: Network, numbers: Ids, *, again: bool) -> None:
        """Find out what the agent itself is to do for a network, if that may be other than it was."""
        if again or self._asked != network:
            self.probes = compile_probes(network, numbers)
            self.services = compile_services(network, numbers)
            self._asked = network

    def bound(self, network: Network, bindings: tuple[Binding, ...]) -> list[LogicalPort]:
        """The ports of the network that are bound somewhere."""
        if self._bindings is not bindings:
            self._names = {one.port for one in bindings}
        gone, come = differing(self._ports, network.ports)
        if self._bindings is not bindings or any(self._is_bound(one) for one in (*gone, *come)):
            self._bound = [port for port in network.ports if self._is_bound(port)]
        self._ports, self._bindings = network.ports, bindings
        return self._bound

    def _is_bound(self, port: LogicalPort) -> bool:
        return port.name in self._names or port.localnet is not None


NO_IDS = Ids()


def _numbers(network: str, port: LogicalPort, ids: Ids) -> tuple[int | None, int | None]:
    datapath = f"{network}/{port.switch}"
    return ids.datapaths.get(datapath), ids.ports.get(f"{datapath}/{port.name}")


def _ids_by_network(ids: Ids) -> dict[str, Ids]:
    """The numbers of the datapaths of each network, with the keys of all ports."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for path, number in ids.datapaths.items():
        found[path.partition("/")[0]][path] = number
    keys = grouped(ids.ports)
    return {name: Ids(datapaths, keys) for name, datapaths in found.items()}


def _by_network(members: Iterable[Any]) -> dict[str, tuple[Any, ...]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for one in members:
        found[one.network].append(one)
    return {name: tuple(several) for name, several in found.items()}


def _down_by_network(down: Down) -> dict[str, frozenset[tuple[str, str]]]:
    """(balancer, address) of each network."""
    found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for network, balancer, address in down:
        found[network].add((balancer, address))
    return {name: frozenset(several) for name, several in found.items()}


def _ports_by_network(ports: Ports) -> dict[str, dict[Symbol, int]]:
    """The ports of each network; tunnels under no name."""
    found: defaultdict[str, dict[Symbol, int]] = defaultdict(dict)
    for port, number in ports.items():
        found["" if isinstance(port, TunnelPort) else port.name.partition("/")[0]][port] = number
    return dict(found)
