"""The flows that this node needs: of each network what is the same everywhere, and what depends on place.

Only what a change touches is compiled again, object by object; `compiled_count` tells how many objects that were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from msgspec import Struct

from tulle.agent.external_zones import external_zones
from tulle.agent.flowset import FlowSet, told
from tulle.control import compile_node
from tulle.errors import NotFound
from tulle.logical.incremental import Incremental
from tulle.openflow import flow_texts
from tulle.values import (
    Binding,
    Encapsulation,
    Flow,
    Ids,
    LocalPort,
    LogicalPort,
    Network,
    RouterInterface,
    TunnelInterface,
    TunnelPort,
)

Ports = Mapping[LocalPort | TunnelPort, int]


class Compiled(Struct, frozen=True):
    """What one network came to on this node.

    `texts` maps flow keys to canonical text; `reasons` says why a flow hands packets to the agent,
    by (table, cookie); `owners` names cookies; `meters` are how many packets a second flows may hand up;
    `sends` are the tunnels that packets leave by.  `changed` are the keys of `texts` that may be others than in the
    compilation before, or None where all may be.  The mappings are the compilation's own, which go on with it.
    """

    texts: Mapping[str, str]
    reasons: Mapping[tuple[int, int], str]
    owners: Mapping[int, str]
    routers: tuple[RouterInterface, ...]
    meters: Mapping[int, int] = {}
    sends: frozenset[TunnelPort] = frozenset()
    changed: frozenset[str] | None = None


class Tunnels(Struct, frozen=True):
    """The tunnels of this node: `all` are received by; networks in `own` send by those, the rest by `usual`."""

    all: tuple[TunnelInterface, ...] = ()
    usual: tuple[TunnelInterface, ...] = ()
    own: Mapping[str, tuple[TunnelInterface, ...]] = {}

    def of(self, network: str) -> tuple[TunnelInterface, ...]:
        """Those that a network sends by."""
        return self.own.get(network, self.usual)


NOTHING = Compiled({}, {}, {}, ())
PLACED, LOGICAL = range(2)
NOWHERE: tuple[Binding, ...] = ()


class Inputs(Struct, frozen=True):
    """What the flows of all networks follow from beside networks and numbers; see `Compilation.compile`."""

    bindings: Mapping[str, tuple[Binding, ...]]
    tunnels: Tunnels
    encapsulations: Mapping[str, Encapsulation]
    ports: Mapping[str, Ports]
    unheard: frozenset[TunnelPort]


class Compilation:
    """Keeps what each network came to with the inputs that it came from.

    `pending` names the networks that cannot be compiled yet, and why: they stay as they were.
    `compiled_count` counts the objects that were compiled, since the beginning.
    """

    def __init__(self, node: str, canonical: Callable[[str], str]) -> None:
        self._node = node
        self._canonical = canonical
        self._flows = FlowSet()
        self._kept: dict[str, _Kept] = {}
        self._inputs: Inputs | None = None
        self._routers: tuple[RouterInterface, ...] = ()
        self.compiled_count = 0
        self.pending: dict[str, str] = {}

    def compile(
        self,
        networks: Iterable[Network],
        bindings: Iterable[Binding],
        tunnels: Tunnels,
        ids: Ids,
        encapsulations: Mapping[str, Encapsulation],
        ports: Ports,
        unheard: frozenset[TunnelPort] = frozenset(),
    ) -> Compiled:
        """All flows of these networks, joined; `unheard` as in `emit_flow`."""
        bindings = tuple(bindings)
        outside = external_zones(bindings, tunnels.all, ports.values())
        numbered: Ports = dict([*ports.items(), *outside.items()])
        by_network: defaultdict[str, list[Binding]] = defaultdict(list)
        for one in bindings:
            by_network[one.network].append(one)
        own = {name: tuple(found) for name, found in by_network.items()}
        self._inputs = Inputs(own, tunnels, dict(encapsulations), _ports_by_network(numbered), unheard)
        return self.recompile(networks, ids)

    def recompile(self, networks: Iterable[Network], ids: Ids) -> Compiled:
        """The same where only networks and numbers may be others than last time."""
        assert self._inputs is not None
        self.pending = {}
        moved, known = False, set[str]()
        for network in (Network(""), *networks):
            known.add(network.name)
            moved |= self._update(network, ids, self._inputs)
        for name in self._kept.keys() - known:
            moved |= any(list(map(self._flows.drop, self._kept.pop(name).units())))
        if moved:
            self._flows.summarize()
        return self._compiled()

    def _compiled(self) -> Compiled:
        flows = self._flows
        changed, flows.changed = frozenset(flows.changed), set()
        routers = tuple(chain.from_iterable(self._kept[name].routers for name in sorted(self._kept)))
        if routers != self._routers:
            self._routers = routers
        return Compiled(
            flows.texts, flows.reasons, flows.owners, self._routers, flows.meters, flows.sends, changed
        )

    def _update(self, network: Network, ids: Ids, inputs: Inputs) -> bool:
        """Bring one network up to date; whether it may say other things beside its flows than before."""
        kept = self._kept.get(network.name) or _Kept()
        try:
            placed = self._placed(kept, network, ids, inputs)
            delta = kept.logical.update(network, ids)
        except NotFound as error:
            self.pending[network.name] = str(error)
            self._kept[network.name] = kept
            return False
        self._kept[network.name] = kept
        moved = [
            self._put((network.name, LOGICAL, *unit), flows, {}) for unit, flows in delta.compiled.items()
        ]
        moved += [self._flows.drop((network.name, LOGICAL, *unit)) for unit in delta.gone]
        kept.logical_units.difference_update(delta.gone)
        kept.logical_units.update(delta.compiled)
        kept.routers = delta.routers
        if placed is not None:
            kept.placed, flows = placed
            plugged = {**inputs.ports.get(network.name, {}), **inputs.ports.get("", {})}
            moved.append(self._put((network.name, PLACED), flows, plugged, inputs.unheard))
        return any(moved)

    def _put(
        self,
        unit: tuple[Any, ...],
        flows: Iterable[Flow],
        ports: Ports,
        unheard: frozenset[TunnelPort] = frozenset(),
    ) -> bool:
        flows = tuple(flows)
        self.compiled_count += 1
        return self._flows.put(unit, flow_texts(flows, ports, self._canonical, unheard), told(flows))

    def _placed(
        self, kept: _Kept, network: Network, ids: Ids, inputs: Inputs
    ) -> tuple[tuple[Any, ...], tuple[Flow, ...]] | None:
        """The flows that depend on place, and what they follow from; None where they are as they were.

        The network without a name stands for what every node has, such as the tunnels.
        """
        name, tunnels = network.name, inputs.tunnels
        bindings = inputs.bindings.get(name, NOWHERE)
        ways = (tunnels.of(name), tunnels.all)
        facts = (ways, inputs.encapsulations, inputs.ports.get(name), inputs.ports.get(""), inputs.unheard)
        bound = kept.bound(network, bindings)
        numbers = [_numbers(name, port, ids) for port in bound]
        tracked = any(acl.action == "allow-related" for acl in network.acls)
        follows = (bindings, facts, bound, numbers, tracked, network.paused)
        if kept.placed == follows:
            return None
        shown = Network(name, ports=tuple(bound), acls=network.acls, paused=network.paused)
        sending, receiving = ways
        known = inputs.encapsulations
        return follows, compile_node(self._node, (shown,), bindings, sending, ids, known, receiving=receiving)


class _Kept:
    """What is kept of one network."""

    def __init__(self) -> None:
        self.logical = Incremental()
        self.logical_units: set[tuple[Any, ...]] = set()
        self.placed: tuple[Any, ...] | None = None
        self.routers: tuple[RouterInterface, ...] = ()
        self.name = ""
        self._bound: list[LogicalPort] = []
        self._from: tuple[object, object] | None = None

    def units(self) -> list[tuple[Any, ...]]:
        """All units of the network."""
        return [(self.name, PLACED), *((self.name, LOGICAL, *unit) for unit in self.logical_units)]

    def bound(self, network: Network, bindings: tuple[Binding, ...]) -> list[LogicalPort]:
        """The ports of the network that are bound somewhere."""
        self.name = network.name
        if self._from is None or self._from[0] is not network.ports or self._from[1] is not bindings:
            names = {one.port for one in bindings}
            self._bound = [port for port in network.ports if port.name in names]
            self._from = network.ports, bindings
        return self._bound


def _numbers(network: str, port: LogicalPort, ids: Ids) -> tuple[int | None, int | None]:
    datapath = f"{network}/{port.switch}"
    return ids.datapaths.get(datapath), ids.ports.get(f"{datapath}/{port.name}")


def _ports_by_network(ports: Ports) -> dict[str, dict[LocalPort | TunnelPort, int]]:
    """The ports of each network; tunnels under no name."""
    found: defaultdict[str, dict[LocalPort | TunnelPort, int]] = defaultdict(dict)
    for port, number in ports.items():
        found["" if isinstance(port, TunnelPort) else port.name.partition("/")[0]][port] = number
    return dict(found)
