"""Who answers on a switch for DHCP, DNS and router advertisements, and what it says there.

A router speaks for its switch; where there is none, the switch has service addresses.  Nothing here is a flow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Network, ip_address, ip_interface, ip_network
from typing import Final

from msgspec import Struct

from tulle.values import (
    Advertiser,
    Dhcp,
    DnsZone,
    Ids,
    Lease,
    LogicalPort,
    LogicalSwitch,
    Network,
    NetworkServices,
    RouterPort,
    ServedSwitch,
    Told,
)

from .fill import derived_mac
from .view import View

SERVICE_MAC: Final = derived_mac("services")


class Server(Struct, frozen=True):
    """As whom the services of a switch speak: at most one address of each family, with its prefix."""

    mac: str
    addresses: tuple[str, ...]

    def address(self, version: int) -> str:
        """The address of a family without its prefix; empty where there is none."""
        found = (ip_interface(one).ip for one in self.addresses)
        return next((str(one) for one in found if one.version == version), "")


def server_of(network: Network, switch: LogicalSwitch) -> Server:
    """The first router there; what it lacks is a service address."""
    ports = _router_ports(network, switch.name)
    routed = [one for port in ports for one in port.addresses]
    own = [with_prefix(one, switch) for one in switch.service_addresses]
    first = {ip_interface(one).version: one for one in reversed((*routed, *own))}
    mac = ports[0].mac if ports else SERVICE_MAC
    return Server(mac, tuple(first[version] for version in sorted(first)))


def is_served(network: Network, switch: LogicalSwitch) -> bool:
    """Whether there is anything to answer on the switch."""
    return switch.dhcp is not None or network.dns is not None or bool(advertising(network, switch.name))


def has_services(network: Network) -> bool:
    """Whether there is anything to answer on any switch."""
    return (
        network.dns is not None
        or any(one.dhcp is not None for one in network.switches)
        or any(port.ra != "off" for router in network.routers for port in router.ports)
    )


def advertising(network: Network, switch: str) -> list[RouterPort]:
    """The router ports there that advertise themselves."""
    return [port for port in _router_ports(network, switch) if port.ra != "off"]


def domain_of(network: Network) -> str:
    """Where the names of a network are; empty where its ports have none."""
    if network.dns is None:
        return ""
    return network.dns.domain or f"{network.name}.internal"


def told_to(network: Network, switch: LogicalSwitch) -> Told:
    """What everybody on the switch hears besides addresses."""
    dhcp = switch.dhcp or Dhcp()
    own = [str(ip_interface(one).ip) for one in server_of(network, switch).addresses]
    dns = dhcp.dns or (tuple(own) if network.dns is not None else ())
    return Told(dhcp.lease_s, dns, dhcp.domain or domain_of(network), dhcp.routes)


def leases(network: Network, switch: LogicalSwitch, ports: Iterable[LogicalPort]) -> Iterator[Lease]:
    """What each of these ports, all of the switch, is told itself."""
    routed = [ip_interface(one) for port in _router_ports(network, switch.name) for one in port.addresses]
    for port in ports:
        addresses = tuple(with_prefix(one, switch) for one in port.addresses)
        homes = {ip_interface(one).network for one in addresses}
        gateways = (str(one.ip) for one in routed if one.version == 4 and one.network in homes)
        yield Lease(port.name, port.mac, addresses, next(gateways, ""))


def compile_services(network: Network, ids: Ids) -> tuple[NetworkServices, ...]:
    """The services of a network in numbers; nothing for one that has none or is paused."""
    if network.paused or not has_services(network):
        return ()
    served = [one for one in network.switches if is_served(network, one)]
    if not served:
        return ()
    view = View(network, ids)
    ports: defaultdict[str, list[LogicalPort]] = defaultdict(list)
    for port in network.ports:
        ports[port.switch].append(port)
    switches = tuple(_served(view, switch, ports[switch.name]) for switch in served)
    return (NetworkServices(network.name, switches, _zone(network)),)


def with_prefix(address: str, switch: LogicalSwitch) -> str:
    """An address with the prefix of the subnet that it is in."""
    one = ip_address(address)
    homes = (subnet for subnet in map(ip_network, switch.subnets) if one in subnet)
    home = next(homes, None)
    return f"{address}/{one.max_prefixlen if home is None else home.prefixlen}"


def advertised(port: RouterPort) -> tuple[str, ...]:
    """The prefixes that a router port advertises."""
    homes = (ip_interface(one).network for one in port.addresses)
    return tuple(str(one) for one in homes if isinstance(one, IPv6Network))


def _served(view: View, switch: LogicalSwitch, ports: list[LogicalPort]) -> ServedSwitch:
    network, server = view.network, server_of(view.network, switch)
    by_key = {view.key(switch.name, one.port): one for one in leases(network, switch, ports)}
    advertisers = tuple(
        Advertiser(
            port.name, view.key(switch.name, port.name), port.mac, advertised(port), port.ra == "dhcpv6"
        )
        for port in advertising(network, switch.name)
    )
    return ServedSwitch(
        switch.name,
        view.datapath(switch.name),
        server.mac,
        server.addresses,
        switch.dhcp is not None,
        told_to(network, switch),
        by_key,
        advertisers,
    )


def _zone(network: Network) -> DnsZone | None:
    if network.dns is None:
        return None
    subnets = tuple(subnet for switch in network.switches for subnet in switch.subnets)
    return DnsZone(domain_of(network), dict(_names(network)), subnets)


def _names(network: Network) -> Iterator[tuple[str, tuple[str, ...]]]:
    for port in network.ports:
        yield port.name, port.addresses
    for router in network.routers:
        for router_port in router.ports:
            yield router_port.name, tuple(str(ip_interface(one).ip) for one in router_port.addresses)


def _router_ports(network: Network, switch: str) -> list[RouterPort]:
    """In the order of their names, whatever order they are given in."""
    routers = sorted(network.routers, key=lambda one: one.name)
    found = [port for router in routers for port in sorted(router.ports, key=lambda one: one.name)]
    return [port for port in found if port.switch == switch]
