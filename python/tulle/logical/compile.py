"""The logical pipeline of one network as flows that are the same on every node.

Pure.  What depends on place (ports, tunnels, delivery) is compiled by the control plane.
"""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import Flow, Ids, Network, Probe, RouterInterface

from .acl import acl_flows
from .chains import chain_flows
from .checking import checking_flows, probes
from .forwarding import forwarding_flows
from .port_security import port_security_flows
from .responders import responder_flows
from .router_input import router_input_flows
from .routing import router_interfaces, routing_flows
from .service_flows import service_flows
from .switching import switching_flows
from .translation import translation_flows
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
    for switch in view.network.switches:
        yield from switching_flows(view, switch)
        yield from responder_flows(view, switch)
        yield from service_flows(view, switch)
    for router in view.network.routers:
        yield from router_input_flows(view, router)
        yield from routing_flows(view, router)
    yield from forwarding_flows(view)
    yield from port_security_flows(view)
    yield from acl_flows(view)
    yield from translation_flows(view)
    yield from checking_flows(view)
    yield from chain_flows(view)


def _order(one: Flow) -> tuple[int, int, str]:
    return (one.table, -one.priority, repr(one.match))
