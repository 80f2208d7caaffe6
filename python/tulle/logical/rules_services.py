"""Rules about DHCP, DNS, router advertisements, and what a network speaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address, ip_interface, ip_network
from typing import Final, get_args

from tulle.values import Dhcp, LogicalSwitch, Network
from tulle.values.network import Advertises, Configure, Forwarding

from .fill import slaac_addresses, slaac_homes
from .problem import Path, Problem, repeated
from .rules_address import canonical, misplaced
from .serving import server_of

LEASE_MIN_S, LEASE_MAX_S = 60, 30 * 24 * 3600
SERVERS_MAX: Final = 8
ROUTES_MAX: Final = 20
DOMAIN_MAX: Final = 180
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SLAAC_BITS: Final = 64
SPOKEN: Final = {"dual": (4, 6), "ipv4": (4,), "ipv6": (6,), "l2": ()}


def service_problems(network: Network) -> Iterator[Problem]:
    """All that is wrong with services of a network whose names and addresses are right."""
    malformed = [*_malformed(network)]
    yield from malformed
    if malformed:
        return
    yield from _unspoken(network)
    yield from _misplaced(network)
    for at, switch in enumerate(network.switches):
        if switch.dhcp is not None:
            yield from _dhcp(at, network, switch)
    yield from _advertisements(network)


def _malformed(network: Network) -> Iterator[Problem]:
    if network.forwarding not in get_args(Forwarding):
        known = ", ".join(get_args(Forwarding))
        yield Problem(
            ("forwarding",), f"forwarding: one of {known} was expected, {network.forwarding!r} came"
        )
    if network.dns is not None and network.dns.domain:
        yield from _domain(("dns",), "dns", network.dns.domain)
    for at, switch in enumerate(network.switches):
        for one in switch.service_addresses:
            path: Path = ("switches", at, "service_addresses")
            yield from _address(path, f"switch {switch.name}: service_addresses", one)
        if switch.dhcp is not None:
            yield from _malformed_dhcp(("switches", at, "dhcp"), switch.name, switch.dhcp)
    for at, router in enumerate(network.routers):
        for port_at, port in enumerate(router.ports):
            if port.ra not in get_args(Advertises):
                message = f"router port {port.name}: ra: off, slaac or dhcpv6 was expected, {port.ra!r} came"
                yield Problem(("routers", at, "ports", port_at, "ra"), message)
    for at, workload in enumerate(network.ports):
        if workload.configure not in get_args(Configure):
            message = f"port {workload.name}: agent or dhcp was expected, {workload.configure!r} came"
            yield Problem(("ports", at, "configure"), message)


def _malformed_dhcp(path: Path, switch: str, dhcp: Dhcp) -> Iterator[Problem]:
    what = f"switch {switch}: dhcp"
    if not LEASE_MIN_S <= dhcp.lease_s <= LEASE_MAX_S:
        bounds = f"{LEASE_MIN_S} to {LEASE_MAX_S}"
        yield Problem((*path, "lease_s"), f"{what}: a lease of {bounds} s was expected, {dhcp.lease_s} came")
    if dhcp.domain:
        yield from _domain((*path, "domain"), what, dhcp.domain)
    for text in dhcp.dns:
        yield from _address((*path, "dns"), f"{what}: dns", text)
    for name, limit in (("dns", SERVERS_MAX), ("routes", ROUTES_MAX)):
        if len(getattr(dhcp, name)) > limit:
            yield Problem((*path, name), f"{what}: at most {limit} {name} were expected")
    for at, route in enumerate(dhcp.routes):
        yield from _address((*path, "routes", at), f"{what}: next_hop", route.next_hop)
        yield from _prefix((*path, "routes", at), what, route.prefix)


def _prefix(path: Path, what: str, text: str) -> Iterator[Problem]:
    """Classless routes are of IPv4 alone (RFC 3442); those of IPv6 are for router advertisements."""
    try:
        if canonical(text, "route") == text and isinstance(ip_network(text), IPv4Network):
            return
    except ValueError:
        pass
    yield Problem(path, f"{what}: an IPv4 prefix such as 10.9.0.0/16 was expected, {text!r} came")


def _address(path: Path, what: str, text: str) -> Iterator[Problem]:
    try:
        if canonical(text, "address") != text:
            yield Problem(path, f"{what}: {canonical(text, 'address')!r} was expected, {text!r} came")
    except ValueError as error:
        yield Problem(path, f"{what}: an address was expected, {text!r} came ({error})")


def _domain(path: Path, what: str, domain: str) -> Iterator[Problem]:
    if len(domain) > DOMAIN_MAX or not all(LABEL.fullmatch(label) for label in domain.split(".")):
        yield Problem(path, f"{what}: a domain such as shop.internal was expected, {domain[:60]!r} came")


def _unspoken(network: Network) -> Iterator[Problem]:
    """Addresses in a network that does not speak their family, and routers in one that knows none."""
    spoken = SPOKEN[network.forwarding]
    for path, what, text in _texts(network):
        if ip_network(text, strict=False).version not in spoken:
            yield Problem(path, f"{what}: {text} in a network whose forwarding is {network.forwarding}")
    if network.forwarding == "l2":
        for at, router in enumerate(network.routers):
            yield Problem(("routers", at), f"router {router.name} in a network whose forwarding is l2")
        for at, switch in enumerate(network.switches):
            if switch.dhcp is not None:
                message = f"switch {switch.name}: dhcp in a network whose forwarding is l2"
                yield Problem(("switches", at, "dhcp"), message)
        if network.dns is not None:
            yield Problem(("dns",), "dns in a network whose forwarding is l2")


def _texts(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, object, address or prefix) of all that has one."""
    for at, switch in enumerate(network.switches):
        for subnet_at, subnet in enumerate(switch.subnets):
            yield ("switches", at, "subnets", subnet_at), f"switch {switch.name}", subnet
    for at, router in enumerate(network.routers):
        for route in router.routes:
            yield ("routers", at, "routes"), f"router {router.name}", route.prefix


def _misplaced(network: Network) -> Iterator[Problem]:
    """Service addresses outside their switch, had by others, or where a router answers already."""
    had = {address for port in network.ports for address in port.addresses}
    routed: dict[str, set[int]] = {switch.name: set() for switch in network.switches}
    for router in network.routers:
        for router_port in router.ports:
            had |= {str(ip_interface(one).ip) for one in router_port.addresses}
            routed[router_port.switch] |= {ip_interface(one).version for one in router_port.addresses}
    for at, switch in enumerate(network.switches):
        path: Path = ("switches", at, "service_addresses")
        what, subnets = f"switch {switch.name}: service address", [ip_network(one) for one in switch.subnets]
        yield from repeated(
            f"{what}, version", [(path, ip_address(one).version) for one in switch.service_addresses]
        )
        for text in switch.service_addresses:
            if problem := misplaced(ip_address(text), subnets, switch.name):
                yield Problem(path, f"{what}: {problem}")
            if text in had:
                yield Problem(path, f"{what} {text} is used twice")
            if ip_address(text).version in routed[switch.name]:
                yield Problem(path, f"{what} {text}: a router answers there already")


def _dhcp(at: int, network: Network, switch: LogicalSwitch) -> Iterator[Problem]:
    path: Path = ("switches", at, "dhcp")
    versions = {ip_network(subnet).version for subnet in switch.subnets}
    if not versions:
        yield Problem(path, f"switch {switch.name}: dhcp needs a subnet to give addresses of")
    if 4 in versions and not server_of(network, switch).address(4):
        message = (
            f"switch {switch.name}: dhcp needs a router port there, or service_addresses, to answer from"
        )
        yield Problem(path, message)
    dhcp = switch.dhcp or Dhcp()
    prefixes = [((*path, "routes"), route.prefix) for route in dhcp.routes]
    yield from repeated(f"switch {switch.name}: dhcp: the route", prefixes)
    subnets = [ip_network(one) for one in switch.subnets]
    for route_at, route in enumerate(dhcp.routes):
        if not any(ip_address(route.next_hop) in subnet for subnet in subnets):
            message = f"switch {switch.name}: dhcp: next_hop {route.next_hop} is outside the subnets there"
            yield Problem((*path, "routes", route_at), message)


def _advertisements(network: Network) -> Iterator[Problem]:
    switches = {switch.name: switch for switch in network.switches}
    for at, router in enumerate(network.routers):
        for port_at, port in enumerate(router.ports):
            path: Path = ("routers", at, "ports", port_at, "ra")
            homes = [ip_interface(one).network for one in port.addresses if ":" in one]
            if port.ra != "off" and not homes:
                yield Problem(path, f"router port {port.name}: ra needs an IPv6 address there")
            if port.ra == "dhcpv6" and switches[port.switch].dhcp is None:
                yield Problem(path, f"router port {port.name}: ra: dhcpv6 needs dhcp on switch {port.switch}")
            if port.ra == "slaac" and any(home.prefixlen != SLAAC_BITS for home in homes):
                yield Problem(path, f"router port {port.name}: ra: slaac needs prefixes of {SLAAC_BITS} bits")
    prefixes = slaac_homes(network)
    for at, workload in enumerate(network.ports):
        missing = set(slaac_addresses(prefixes, workload)) - {*workload.addresses}
        if missing and workload.addresses:
            message = (
                f"port {workload.name}: the router advertises {switches[workload.switch].name} with slaac, so "
                f"the workload will have {', '.join(sorted(missing))}; add it to its addresses"
            )
            yield Problem(("ports", at, "addresses"), message)
