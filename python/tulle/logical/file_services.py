"""Services in a file: DHCP of a switch, router advertisements, names of a network, and what it speaks."""

from __future__ import annotations

from typing import Final, cast, get_args

from msgspec.structs import replace

from tulle.values import Dhcp, Dns, LogicalPort, LogicalSwitch, Network, RouterPort, StaticRoute
from tulle.values.network import Advertises, Configure, Forwarding

from . import tree
from .reader import Complaints, Section
from .rules_address import canonical
from .rules_services import LEASE_MAX_S, LEASE_MIN_S

NETWORK_SERVICE_KEYS: Final = ("dns", "forwarding")
SWITCH_SERVICE_KEYS: Final = ("dhcp", "service_addresses")
DHCP_KEYS: Final = ("lease_s", "dns", "domain", "routes")


def with_services(network: Network, section: Section, complaints: Complaints) -> Network:
    """The network with its names, and what it speaks."""
    found = wanted(section, "dns", ("domain",), complaints)
    dns = None if found is None else Dns(found.optional_text("domain") or "")
    forwarding = cast(Forwarding, choice(section, "forwarding", get_args(Forwarding)))
    return replace(network, dns=dns, forwarding=forwarding)


def with_dhcp(switch: LogicalSwitch, section: Section, complaints: Complaints) -> LogicalSwitch:
    """The switch with what DHCP tells there."""
    found = wanted(section, "dhcp", DHCP_KEYS, complaints)
    own = tuple(_usual(one, "address") for one in section.texts("service_addresses") or ())
    dhcp = None if found is None else _dhcp(found, complaints)
    return replace(switch, dhcp=dhcp, service_addresses=own)


def with_advertisements(port: RouterPort, section: Section) -> RouterPort:
    """The router port with what it advertises."""
    return replace(port, ra=cast(Advertises, choice(section, "ra", get_args(Advertises))))


def with_configure(port: LogicalPort, section: Section) -> LogicalPort:
    """The port with who configures its workload's interface."""
    return replace(port, configure=cast(Configure, choice(section, "configure", get_args(Configure))))


def _dhcp(own: Section, complaints: Complaints) -> Dhcp:
    routes = [_route(one, complaints) for one in own.items("routes")]
    return Dhcp(
        own.integer("lease_s", Dhcp().lease_s, LEASE_MIN_S, LEASE_MAX_S),
        tuple(_usual(one, "address") for one in own.texts("dns") or ()),
        own.optional_text("domain") or "",
        tuple(sorted(routes, key=lambda one: one.prefix)),
    )


def _route(node: tree.Tree, complaints: Complaints) -> StaticRoute:
    own = Section(node, "dhcp route", ("prefix", "next_hop"), complaints)
    return StaticRoute(_usual(own.text("prefix"), "route"), _usual(own.text("next_hop"), "address"))


def wanted(section: Section, key: str, known: tuple[str, ...], complaints: Complaints) -> Section | None:
    """The mapping under a key; `true` is one that is empty, `false` is none."""
    node = section.child(key)
    if node is None or (isinstance(node, tree.Scalar) and not section.boolean(key)):
        return None
    inner = tree.Mapping(node.line) if isinstance(node, tree.Scalar) else node
    return Section(inner, key, known, complaints)


def choice(section: Section, key: str, choices: tuple[str, ...]) -> str:
    """One of a few words; the first where there is none."""
    return choices[0] if section.child(key) is None else section.choice(key, choices)


def _usual(text: str, kind: str) -> str:
    """What is malformed stays, for the rules to refuse."""
    try:
        return canonical(text, kind)
    except ValueError:
        return text
