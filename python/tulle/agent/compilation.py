"""The flows that this node needs, network by network.

Only networks whose inputs changed are compiled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from tulle.agent.editions import Edition, Live, placed
from tulle.agent.external_zones import external_zones
from tulle.agent.translation_zones import translation_zones
from tulle.control import compile_node, lets_in, versioned
from tulle.errors import NotFound
from tulle.logical import compile_interfaces, compile_network, compile_probes, compile_services
from tulle.openflow import flow_texts
from tulle.openflow.flows import meter_id
from tulle.values import (
    Binding,
    Controller,
    Encapsulation,
    Flow,
    Ids,
    LocalPort,
    Network,
    NetworkServices,
    Output,
    Probe,
    RouterInterface,
    TunnelInterface,
    TunnelPort,
    Zone,
    cookie_for,
)
from tulle.values.moving import Transit

Ports = Mapping[LocalPort | TunnelPort | Zone, int]

Down = frozenset[tuple[str, str, str]]
Ways = tuple[tuple[TunnelInterface, ...], tuple[TunnelInterface, ...]]


class Inputs(Struct, frozen=True):
    """What the flows of one version of a network follow from; `down` are (balancer, address)."""

    edition: Edition
    behind: Mapping[str, int]
    ways: Ways
    encapsulations: Mapping[str, Encapsulation]
    ports: Ports
    unheard: frozenset[TunnelPort]
    down: frozenset[tuple[str, str]]
    transits: tuple[Transit, ...]
    dead: frozenset[str]


class Compiled(Struct, frozen=True):
    """What one network came to on this node.

    `texts` maps flow keys to canonical text; `reasons` says why a flow hands packets to the agent,
    by (table, cookie); `owners` names cookies; `meters` are how many packets a second flows may hand up;
    `sends` are the tunnels that packets leave by, `probes` the backends that may be asked how they are.
    `entries` are the flows by which packets get into the version of the network, which belong to `texts` while they
    are to.
    """

    texts: Mapping[str, str]
    reasons: Mapping[tuple[int, int], str]
    owners: Mapping[int, str]
    routers: tuple[RouterInterface, ...]
    meters: Mapping[int, int] = {}
    sends: frozenset[TunnelPort] = frozenset()
    probes: tuple[Probe, ...] = ()
    services: tuple[NetworkServices, ...] = ()
    entries: Mapping[str, str] = {}


class Tunnels(Struct, frozen=True):
    """The tunnels of this node: `all` are received by; networks in `own` send by those, the rest by `usual`."""

    all: tuple[TunnelInterface, ...] = ()
    usual: tuple[TunnelInterface, ...] = ()
    own: Mapping[str, tuple[TunnelInterface, ...]] = {}

    def of(self, network: str) -> tuple[TunnelInterface, ...]:
        """Those that a network sends by."""
        return self.own.get(network, self.usual)


NOTHING = Compiled({}, {}, {}, ())


class Compilation:
    """Keeps the result of each network, in each version that is live, with the inputs that it came from.

    `latest` are the networks as they were compiled last.
    `pending` names the networks that cannot be compiled yet, and why: they stay as they were.
    """

    def __init__(self, node: str, canonical: Callable[[str], str]) -> None:
        self._node = node
        self._canonical = canonical
        self._kept: dict[tuple[str, int], tuple[Any, Compiled]] = {}
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
    ) -> Compiled:
        """All flows of these networks, joined; `unheard` as in `emit_flow`, `down` as (network, balancer, address).

        `live` says which versions there are; `dead` as in `compile_node`.
        """
        bindings, transits = tuple(bindings), tuple(transits)
        outside = external_zones(bindings, tunnels.all, ports.values())
        networks = tuple(networks)
        taken = {*ports.values(), *outside.values()}
        zones = translation_zones(self._node, networks, bindings, tunnels.all, taken)
        numbered: Ports = dict([*ports.items(), *outside.items(), *zones.items()])
        kept = {}
        self.pending, self.latest = {}, {}
        for network in (Network(""), *networks):
            own = tuple(one for one in bindings if one.network == network.name)
            version = live.get(network.name, Live()).version
            self.latest[network.name] = Edition(network, version, own, _ids_of(network.name, ids))
        former = [placed(one, bindings) for several in live.values() for one in several.kept]
        for edition in (*self.latest.values(), *former):
            name = edition.network.name
            now = live.get(name, Live())
            ways = (tunnels.of(name), tunnels.all)
            plugged = _ports_of(name, numbered)
            gone = frozenset((balancer, address) for of, balancer, address in down if of == name)
            moving = tuple(one for one in transits if one.network == name)
            failing = frozenset(one for one in dead if one.startswith(f"{name}/"))
            place = (now.behind, ways, dict(encapsulations), plugged, unheard)
            inputs = Inputs(edition, *place, gone, moving, failing)
            kept[name, edition.version] = self._kept_or_made(inputs, is_wanted=edition.version == now.version)
        self._kept = kept
        return _join(
            (compiled, version == live.get(name, Live()).stamped)
            for (name, version), (_, compiled) in kept.items()
        )

    def _kept_or_made(self, inputs: Inputs, *, is_wanted: bool) -> tuple[Any, Compiled]:
        edition = inputs.edition
        name = edition.network.name
        known = self._kept.get((name, edition.version))
        if known is not None and known[0] == inputs:
            return known
        self.compiled_count += 1
        try:
            return inputs, self._compile(inputs)
        except NotFound as error:
            if is_wanted:
                self.pending[name] = str(error)
            return None, known[1] if known is not None else NOTHING

    def _compile(self, inputs: Inputs) -> Compiled:
        """The network without a name stands for what every node has, such as the tunnels."""
        edition, ports, unheard = inputs.edition, inputs.ports, inputs.unheard
        sending, receiving = inputs.ways
        network, version = edition.network, edition.version
        placed_here = compile_node(
            self._node,
            (network,),
            edition.bindings,
            sending,
            edition.ids,
            inputs.encapsulations,
            version,
            receiving,
            inputs.behind,
            inputs.transits,
            dead=inputs.dead,
        )
        numbers = versioned(edition.ids, version)
        flows = (*placed_here, *compile_network(network, numbers, inputs.down))
        return Compiled(
            flow_texts((one for one in flows if not lets_in(one)), ports, self._canonical, unheard),
            _reasons(flows),
            {flow.cookie: flow.owner for flow in flows},
            compile_interfaces(network, numbers),
            _meters(flows),
            _tunnels_out(flows),
            compile_probes(network, numbers),
            compile_services(network, numbers),
            flow_texts(filter(lets_in, flows), ports, self._canonical, unheard),
        )


def _reasons(flows: Iterable[Flow]) -> dict[tuple[int, int], str]:
    return {
        (flow.table, flow.cookie): action.reason
        for flow in flows
        for action in flow.actions
        if isinstance(action, Controller)
    }


def _meters(flows: Iterable[Flow]) -> dict[int, int]:
    """Numbers and rates; of two owners that share a meter, the higher rate."""
    found: dict[int, int] = {}
    for flow in flows:
        for action in flow.actions:
            if isinstance(action, Controller) and action.rate:
                number = meter_id(cookie_for(action.share) if action.share else flow.cookie)
                found[number] = max(action.rate, found.get(number, 0))
    return found


def _tunnels_out(flows: Iterable[Flow]) -> frozenset[TunnelPort]:
    ports = (action.port for flow in flows for action in flow.actions if isinstance(action, Output))
    return frozenset(port for port in ports if isinstance(port, TunnelPort))


def _ids_of(network: str, ids: Ids) -> Ids:
    prefix = f"{network}/"
    return Ids(
        {name: number for name, number in ids.datapaths.items() if name.startswith(prefix)},
        {name: number for name, number in ids.ports.items() if name.startswith(prefix)},
    )


def _ports_of(network: str, ports: Ports) -> Ports:
    """The ports of one network, and all tunnels."""
    return {
        port: number
        for port, number in ports.items()
        if isinstance(port, TunnelPort) or port.name.startswith(f"{network}/")
    }


def _join(parts: Iterable[tuple[Compiled, bool]]) -> Compiled:
    """All of them, each with its entries or without."""
    texts: dict[str, str] = {}
    reasons: dict[tuple[int, int], str] = {}
    owners: dict[int, str] = {}
    routers: list[RouterInterface] = []
    meters: dict[int, int] = {}
    sends: set[TunnelPort] = set()
    probes: list[Probe] = []
    services: list[NetworkServices] = []
    for part, is_entered in parts:
        texts |= {**part.texts, **part.entries} if is_entered else part.texts
        reasons |= part.reasons
        owners |= part.owners
        routers += part.routers
        for number, rate in part.meters.items():
            meters[number] = max(rate, meters.get(number, 0))
        sends |= part.sends
        probes += part.probes if is_entered else ()
        services += part.services
    return Compiled(
        texts,
        reasons,
        owners,
        tuple(routers),
        meters,
        frozenset(sends),
        tuple(probes),
        tuple(services),
    )
