"""The logical pipeline of one network as flows that are the same on every node.

Pure.  What depends on place (ports, tunnels, delivery) is compiled by the control plane.
"""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import Flow, Ids, Network, Probe, RouterInterface

from .acl import Policies, acl_flows
from .checking import probes
from .features import NETWORK, of_router, of_station, of_switch
from .routing import router_interfaces
from .view import View


def compile_network(
    network: Network, ids: Ids, down: frozenset[tuple[str, str]] = frozenset()
) -> tuple[Flow, ...]:
    """All flows of the network, in order of their keys; no two have the same key.

    A paused network has none.  `network` must pass `rules.problems`; NotFound when `ids` lacks a number.
    `down` are the backends, as load balancer and address, that get no new connections.
    """
    if network.paused:
        return ()
    made = {one.key: one for one in _all_flows(View(network, ids, down))}
    return tuple(sorted(made.values(), key=_order))


def compile_interfaces(network: Network, ids: Ids) -> tuple[RouterInterface, ...]:
    """Router ports in numbers, for the agent's ICMP errors (RFC 1812 section 4.3.2)."""
    return tuple(router_interfaces(View(network, ids)))


def compile_probes(network: Network, ids: Ids) -> tuple[Probe, ...]:
    """The backends of load balancers that are to be asked whether they serve."""
    return tuple(probes(View(network, ids)))


def _all_flows(view: View) -> Iterator[Flow]:
    policies = Policies(view.network)
    for switch in view.network.switches:
        yield from of_switch(view, switch)
        for station in view.stations(switch.name):
            yield from of_station(view, switch, station)
        yield from acl_flows(view, policies, switch.name)
    for router in view.network.routers:
        yield from of_router(view, router)
    for feature in NETWORK:
        yield from feature.flows(view)


def _order(one: Flow) -> tuple[int, int, str]:
    return (one.table, -one.priority, repr(one.match))
