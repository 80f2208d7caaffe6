"""What makes a network contradictory: pure checks on values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

from tulle.values import PORT_KEY_MAX, Network

from .problem import Path, Problem, repeated
from .rules_acl import acl_problems
from .rules_address import address_problems
from .rules_balancing import balancer_names, balancer_problems, balancer_references
from .rules_insertion import (
    INSERTION_SPACES,
    insertion_names,
    insertion_problems,
    insertion_references,
)
from .rules_layer2 import layer2_problems, layer2_references
from .rules_nat import nat_names, nat_problems
from .rules_policy import policy_names, policy_problems, policy_references
from .rules_qos import qos_problems
from .rules_route import route_problems
from .rules_routing import routing_names, routing_problems, routing_references
from .rules_services import service_problems
from .spelling import nearest, valid_name

INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
SPACES: Final = (
    "switch or router",
    "port",
    "acl",
    "port group",
    "address set",
    "nat",
    "load balancer",
    "policy",
    *INSERTION_SPACES,
)
NAMESPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def problems(network: Network, nodes: Collection[str] | None = None) -> list[Problem]:
    """All that is wrong with a network; `nodes` are the known ones, None when that cannot be said."""
    found = [*_name_problems(network), *_reference_problems(network, nodes)]
    if found:
        return found
    misaddressed = address_problems(network)
    found = [
        *_count_problems(network),
        *misaddressed,
        *([] if misaddressed else [*nat_problems(network), *balancer_problems(network)]),
        *route_problems(network),
        *([] if misaddressed else routing_problems(network)),
        *qos_problems(network),
        *policy_problems(network),
        *acl_problems(network),
        *insertion_problems(network),
        *layer2_problems(network),
    ]
    return found or list(service_problems(network))


def _names(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, name space, name) of everything that has a name."""
    for at, switch in enumerate(network.switches):
        yield ("switches", at, "name"), "switch or router", switch.name
    for at, router in enumerate(network.routers):
        yield ("routers", at, "name"), "switch or router", router.name
        for port_at, router_port in enumerate(router.ports):
            yield ("routers", at, "ports", port_at, "name"), "port", router_port.name
    for at, port in enumerate(network.ports):
        yield ("ports", at, "name"), "port", port.name
    for at, acl in enumerate(network.acls):
        yield ("acls", at, "name"), "acl", acl.name
    yield from policy_names(network)
    yield from nat_names(network)
    yield from routing_names(network)
    yield from balancer_names(network)
    yield from insertion_names(network)


def _name_problems(network: Network) -> Iterator[Problem]:
    named = [((*path,), space, name) for path, space, name in _names(network)]
    for path, _, name in [(("name",), "network", network.name), *named]:
        if not valid_name(name):
            expected = "a name of 1 to 63 of a-z, 0-9 and dash was expected"
            yield Problem(path, f"{expected}, {name!r} came")
    for space in SPACES:
        yield from repeated(
            f"the {space} name", [(path, name) for path, kind, name in named if kind == space]
        )


def _reference_problems(network: Network, nodes: Collection[str] | None) -> Iterator[Problem]:
    switches = {switch.name for switch in network.switches}
    for path, name in _switch_references(network):
        if name not in switches:
            yield Problem(path, f"unknown switch {name!r}{nearest(name, switches)}")
    for at, port in enumerate(network.ports):
        if nodes is not None and port.node is not None and port.node not in nodes:
            hint = nearest(port.node, nodes)
            yield Problem(("ports", at, "node"), f"unknown node {port.node!r}{hint}")
        if not INTERFACE.fullmatch(port.interface):
            yield Problem(
                ("ports", at, "interface"), f"an interface name was expected, {port.interface!r} came"
            )
        if port.namespace is not None and not NAMESPACE.fullmatch(port.namespace):
            message = f"the name of a network namespace was expected, {port.namespace!r} came"
            yield Problem(("ports", at, "namespace"), message)
    yield from repeated(
        "in one namespace the interface",
        [
            (("ports", at, "interface"), (port.node, port.namespace, port.interface))
            for at, port in enumerate(network.ports)
            if port.namespace is not None
        ],
    )
    yield from _acl_places(network, switches)
    yield from policy_references(network)
    yield from balancer_references(network)
    yield from routing_references(network)
    yield from insertion_references(network)
    yield from layer2_references(network)


def _switch_references(network: Network) -> Iterator[tuple[Path, str]]:
    for at, router in enumerate(network.routers):
        for port_at, router_port in enumerate(router.ports):
            yield ("routers", at, "ports", port_at, "switch"), router_port.switch
    for at, port in enumerate(network.ports):
        yield ("ports", at, "switch"), port.switch


def _acl_places(network: Network, switches: set[str]) -> Iterator[Problem]:
    ports = {port.name for port in network.ports}
    for at, acl in enumerate(network.acls):
        if sum(place is not None for place in (acl.switch, acl.port, acl.group)) != 1:
            yield Problem(("acls", at), "an ACL needs either a switch or a port, or a port group")
        elif acl.switch is not None and acl.switch not in switches:
            yield Problem(
                ("acls", at, "switch"), f"unknown switch {acl.switch!r}{nearest(acl.switch, switches)}"
            )
        elif acl.port is not None and acl.port not in ports:
            yield Problem(("acls", at, "port"), f"unknown port {acl.port!r}{nearest(acl.port, ports)}")


def _count_problems(network: Network) -> Iterator[Problem]:
    counts = Counter(port.switch for port in network.ports)
    for at, switch in enumerate(network.switches):
        if counts[switch.name] > PORT_KEY_MAX - len(network.routers) * 100:
            yield Problem(("switches", at), f"at most about {PORT_KEY_MAX} ports fit on one switch")
