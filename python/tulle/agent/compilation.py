"""The flows that this node needs, network by network.

Only networks whose inputs changed are compiled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from tulle.agent.external_zones import external_zones
from tulle.control import compile_node
from tulle.errors import NotFound
from tulle.logical import compile_interfaces, compile_network
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
    Output,
    RouterInterface,
    TunnelInterface,
    TunnelPort,
)

Ports = Mapping[LocalPort | TunnelPort, int]


class Compiled(Struct, frozen=True):
    """What one network came to on this node.

    `texts` maps flow keys to canonical text; `reasons` says why a flow hands packets to the agent,
    by (table, cookie); `owners` names cookies; `meters` are how many packets a second flows may hand up;
    `sends` are the tunnels that packets leave by.
    """

    texts: Mapping[str, str]
    reasons: Mapping[tuple[int, int], str]
    owners: Mapping[int, str]
    routers: tuple[RouterInterface, ...]
    meters: Mapping[int, int] = {}
    sends: frozenset[TunnelPort] = frozenset()


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
    """Keeps the result of each network with the inputs that it came from.

    `pending` names the networks that cannot be compiled yet, and why: they stay as they were.
    """

    def __init__(self, node: str, canonical: Callable[[str], str]) -> None:
        self._node = node
        self._canonical = canonical
        self._kept: dict[str, tuple[Any, Compiled]] = {}
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
        dead: frozenset[str] = frozenset(),
    ) -> Compiled:
        """All flows of these networks, joined; `unheard` as in `emit_flow`, `dead` as in `compile_node`."""
        bindings = tuple(bindings)
        outside = external_zones(bindings, tunnels.all, ports.values())
        numbered: Ports = dict([*ports.items(), *outside.items()])
        kept = {}
        self.pending = {}
        for network in (Network(""), *networks):
            own = tuple(one for one in bindings if one.network == network.name)
            numbers = _ids_of(network.name, ids)
            plugged = _ports_of(network.name, numbered)
            ways = (tunnels.of(network.name), tunnels.all)
            failing = frozenset(one for one in dead if one.startswith(f"{network.name}/"))
            inputs = (network, own, ways, numbers, dict(encapsulations), plugged, unheard, failing)
            known = self._kept.get(network.name)
            if known is None or known[0] != inputs:
                self.compiled_count += 1
                try:
                    made = self._compile(
                        network, own, ways, numbers, encapsulations, plugged, unheard, failing
                    )
                    known = (inputs, made)
                except NotFound as error:
                    self.pending[network.name] = str(error)
                    known = (None, known[1] if known is not None else NOTHING)
            kept[network.name] = known
        self._kept = kept
        return _join([compiled for _, compiled in kept.values()])

    def _compile(
        self,
        network: Network,
        bindings: tuple[Binding, ...],
        tunnels: tuple[tuple[TunnelInterface, ...], tuple[TunnelInterface, ...]],
        ids: Ids,
        encapsulations: Mapping[str, Encapsulation],
        ports: Ports,
        unheard: frozenset[TunnelPort],
        dead: frozenset[str],
    ) -> Compiled:
        """The network without a name stands for what every node has, such as the tunnels."""
        sending, receiving = tunnels
        placed = compile_node(
            self._node, (network,), bindings, sending, ids, encapsulations, receiving=receiving, dead=dead
        )
        logical = compile_network(network, ids)
        flows = (*placed, *logical)
        return Compiled(
            flow_texts(flows, ports, self._canonical, unheard),
            _reasons(flows),
            {flow.cookie: flow.owner for flow in flows},
            compile_interfaces(network, ids),
            _meters(flows),
            _tunnels_out(flows),
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
                number = meter_id(flow.cookie)
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


def _join(parts: Iterable[Compiled]) -> Compiled:
    texts: dict[str, str] = {}
    reasons: dict[tuple[int, int], str] = {}
    owners: dict[int, str] = {}
    routers: list[RouterInterface] = []
    meters: dict[int, int] = {}
    sends: set[TunnelPort] = set()
    for part in parts:
        texts |= part.texts
        reasons |= part.reasons
        owners |= part.owners
        routers += part.routers
        for number, rate in part.meters.items():
            meters[number] = max(rate, meters.get(number, 0))
        sends |= part.sends
    return Compiled(texts, reasons, owners, tuple(routers), meters, frozenset(sends))
