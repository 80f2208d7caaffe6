"""Rules about MAC and IP addresses and subnets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final

from tulle.values import Network

from .problem import Path, Problem, repeated

IpAddress = IPv4Address | IPv6Address
IpInterface = IPv4Interface | IPv6Interface
IpNetwork = IPv4Network | IPv6Network
MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
UNUSABLE: Final = "is multicast, loopback or unspecified: no workload can have it"


def address_problems(network: Network) -> list[Problem]:
    """All that is wrong with the addresses of a network whose names and references are right."""
    malformed = [*_malformed(network)]
    if malformed:
        return malformed
    return [
        *_overlapping_subnets(network),
        *repeated("on one switch the MAC address", _macs(network)),
        *repeated("the address", _addresses(network)),
        *_outside(network),
        *_router_outside(network),
        *_met_twice(network),
    ]


def _malformed(network: Network) -> Iterator[Problem]:
    for path, mac in _macs(network):
        if not _unicast(mac[1]):
            yield Problem(
                path, f"a unicast MAC address such as 02:00:00:00:00:01 was expected, {mac[1]!r} came"
            )
    for at, switch in enumerate(network.switches):
        for subnet_at, subnet in enumerate(switch.subnets):
            yield from _not_canonical(("switches", at, "subnets", subnet_at), subnet, "network")
    for at, router in enumerate(network.routers):
        for port_at, router_port in enumerate(router.ports):
            for address_at, address in enumerate(router_port.addresses):
                path = ("routers", at, "ports", port_at, "addresses", address_at)
                yield from _not_canonical(path, address, "interface")
    for at, port in enumerate(network.ports):
        for address_at, address in enumerate(port.addresses):
            yield from _not_canonical(("ports", at, "addresses", address_at), address, "address")


def canonical(text: str, kind: str) -> str:
    """The usual spelling of an `address`, a `network` (subnet), a `route` prefix or an `interface`.

    ValueError when the text is none, or what it says cannot belong to a workload.
    """
    if "%" in text:
        raise ValueError("a zone has no meaning here")
    if kind == "address":
        return str(_usable(ip_address(text)))
    if "/" not in text:
        raise ValueError("the length of the prefix is missing")
    if kind == "route":
        return str(ip_network(text))
    if kind == "network":
        network = ip_network(text)
        _usable(network.network_address)
        return str(network)
    interface = ip_interface(text)
    _usable(interface.ip)
    return str(interface)


def _usable(address: IpAddress) -> IpAddress:
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        raise ValueError(f"{address} {UNUSABLE}")
    return address


def _not_canonical(path: Path, text: str, kind: str) -> Iterator[Problem]:
    expected = {
        "address": "an address such as 10.0.1.11",
        "network": "a subnet such as 10.0.1.0/24",
        "interface": "an address with its prefix such as 10.0.1.1/24",
    }[kind]
    try:
        if canonical(text, kind) != text:
            yield Problem(
                path, f"{canonical(text, kind)!r} was expected as the usual spelling, {text!r} came"
            )
    except ValueError as error:
        yield Problem(path, f"{expected} was expected, {text!r} came ({error})")


def _unicast(mac: str) -> bool:
    return MAC.fullmatch(mac) is not None and int(mac[:2], 16) & 1 == 0 and mac != "00:00:00:00:00:00"


def _macs(network: Network) -> Iterator[tuple[Path, tuple[str, str]]]:
    for at, router in enumerate(network.routers):
        for port_at, router_port in enumerate(router.ports):
            yield ("routers", at, "ports", port_at, "mac"), (router_port.switch, router_port.mac)
    for at, port in enumerate(network.ports):
        yield ("ports", at, "mac"), (port.switch, port.mac)


def _addresses(network: Network) -> Iterator[tuple[Path, str]]:
    for path, _, interface in _router_addresses(network):
        yield path, str(interface.ip)
    for at, port in enumerate(network.ports):
        for address_at, address in enumerate(port.addresses):
            yield ("ports", at, "addresses", address_at), address


def _router_addresses(network: Network) -> Iterator[tuple[Path, str, IpInterface]]:
    """(path, switch, address with prefix) of all router ports."""
    for at, router in enumerate(network.routers):
        for port_at, port in enumerate(router.ports):
            for address_at, address in enumerate(port.addresses):
                path = ("routers", at, "ports", port_at, "addresses", address_at)
                yield path, port.switch, ip_interface(address)


def _overlapping_subnets(network: Network) -> Iterator[Problem]:
    ordered = sorted(
        (
            ip_network(subnet).version,
            int(ip_network(subnet)[0]),
            int(ip_network(subnet)[-1]),
            at,
            subnet_at,
            subnet,
        )
        for at, switch in enumerate(network.switches)
        for subnet_at, subnet in enumerate(switch.subnets)
    )
    end, of = (0, -1), ""
    for version, first, last, at, subnet_at, subnet in ordered:
        if end[0] == version and first <= end[1]:
            yield Problem(("switches", at, "subnets", subnet_at), f"subnet {subnet} overlaps with {of}")
        if (version, last) > end:
            end, of = (version, last), subnet


def _outside(network: Network) -> Iterator[Problem]:
    subnets = {switch.name: [ip_network(one) for one in switch.subnets] for switch in network.switches}
    for at, port in enumerate(network.ports):
        for address_at, text in enumerate(port.addresses):
            problem = misplaced(ip_address(text), subnets[port.switch], port.switch)
            if problem:
                yield Problem(("ports", at, "addresses", address_at), problem)


def misplaced(address: IpAddress, subnets: list[IpNetwork], switch: str) -> str:
    """Why an address cannot be on a switch with these subnets; empty when it can."""
    home = next((subnet for subnet in subnets if address in subnet), None)
    if home is None:
        known = ", ".join(map(str, subnets)) or "none at all"
        return f"address {address} is outside the subnets of switch {switch} ({known})"
    if _reserved(address, home):
        return f"address {address} stands for all of subnet {home}, not for one port"
    return ""


def _reserved(address: IpAddress, subnet: IpNetwork) -> bool:
    """Network and broadcast address; RFC 4291 section 2.6.1 for the first one of IPv6."""
    if subnet.max_prefixlen - subnet.prefixlen < 2:
        return False
    return address == subnet[0] or (subnet.version == 4 and address == subnet[-1])


def _router_outside(network: Network) -> Iterator[Problem]:
    subnets = {switch.name: [ip_network(one) for one in switch.subnets] for switch in network.switches}
    for path, switch, interface in _router_addresses(network):
        problem = misplaced(interface.ip, subnets[switch], switch)
        if problem:
            yield Problem(path, problem)
        elif interface.network not in subnets[switch]:
            right = next(subnet for subnet in subnets[switch] if interface.ip in subnet)
            yield Problem(path, f"{interface.ip}/{right.prefixlen} was expected, {interface} came")


def _met_twice(network: Network) -> Iterator[Problem]:
    places = ((path, (path[1], str(interface.network))) for path, _, interface in _router_addresses(network))
    return repeated("a router meets a subnet once, but subnet", places)
