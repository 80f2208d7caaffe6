"""The features of the logical pipeline, by the object that their flows are about.

A feature that stands in one of these tuples is compiled again only when what it may look at has changed:

- of `SWITCH`: the switch, its number, the routers' ports on it with their numbers and addresses, and `default_deny`;
- of `STATION`: the same, and the port with its key;
- of `ROUTER`: the router with all its numbers on both sides, and where its routes lead;
- of `NETWORK`: what its `inputs` give.  A feature that looks at more names it there, or gives `everything`.

`incremental` keeps to this; `tests/scenarios/test_incremental.py` holds it against `compile_network`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct

from tulle.values import Flow, LogicalRouter, LogicalSwitch

from .acl import shared_acl_flows
from .acl_places import is_managed, is_tracked
from .chains import chain_flows
from .checking import checking_flows
from .forwarding import forwarding_flows
from .groups import group_flows
from .joining import joining_flows
from .policies import policy_flows, policy_inputs
from .port_security import port_security_flows
from .qos import qos_flows
from .responders import answer_flows, responder_flows, vip_answers
from .router_input import router_input_flows
from .routing import host_flows, routing_flows
from .service_flows import service_flows
from .serving import has_services
from .switching import station_flows, switching_flows
from .tagging import tagging_flows
from .translation import is_translated, translation_flows
from .view import Station, View

Flows = Iterator[Flow]


class WholeFeature(Struct, frozen=True):
    """Flows that are about no single object; equal `inputs` mean equal flows."""

    name: str
    flows: Callable[[View], Flows]
    inputs: Callable[[View], object]


def everything(view: View) -> object:
    """The inputs of a feature that may look at all there is: it is compiled again after every change."""
    return view.network, view.down, view.numbers()


def _shared_acls(view: View) -> Flows:
    return shared_acl_flows(view.network)


def _acl_kind(view: View) -> object:
    return is_managed(view.network), is_tracked(view.network), bool(view.network.default_deny)


def _if_translated(view: View) -> object:
    return everything(view) if is_translated(view.network) else None


def _if_chained(view: View) -> object:
    return (everything(view), view.datapaths()) if view.network.chains else None


def _spoken(view: View) -> object:
    network = view.network
    return network.forwarding, tuple(view.datapath(one.name) for one in network.switches)


def _services(view: View) -> Flows:
    for switch in view.network.switches if has_services(view.network) else ():
        yield from service_flows(view, switch)


def _served(view: View) -> object:
    return everything(view) if has_services(view.network) else None


SWITCH: tuple[Callable[[View, LogicalSwitch], Flows], ...] = (
    switching_flows,
    responder_flows,
    tagging_flows,
    group_flows,
)
STATION: tuple[Callable[[View, LogicalSwitch, Station], Flows], ...] = (
    station_flows,
    answer_flows,
    host_flows,
    port_security_flows,
    joining_flows,
    qos_flows,
)
ROUTER: tuple[Callable[[View, LogicalRouter], Flows], ...] = (router_input_flows, routing_flows)
NETWORK: tuple[WholeFeature, ...] = (
    WholeFeature("acls", _shared_acls, _acl_kind),
    WholeFeature("balancers", vip_answers, _if_translated),
    WholeFeature("chains", chain_flows, _if_chained),
    WholeFeature("checks", checking_flows, _if_translated),
    WholeFeature("forwarding", forwarding_flows, _spoken),
    WholeFeature("policies", policy_flows, policy_inputs),
    WholeFeature("services", _services, _served),
    WholeFeature("translation", translation_flows, _if_translated),
)
"""In the order of their names: of two with a flow of the same key, the later one has it."""


def of_switch(view: View, switch: LogicalSwitch) -> Flows:
    """What is there of a switch without any port."""
    for feature in SWITCH:
        yield from feature(view, switch)


def of_station(view: View, switch: LogicalSwitch, station: Station) -> Flows:
    """What is about one port of a switch, a workload's or a router's."""
    for feature in STATION:
        yield from feature(view, switch, station)


def of_router(view: View, router: LogicalRouter) -> Flows:
    """What a router does without knowing any host."""
    for feature in ROUTER:
        yield from feature(view, router)
