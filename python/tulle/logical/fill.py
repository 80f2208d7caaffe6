"""What a file may leave out: MAC addresses and addresses, found the same way every time.

A MAC address follows from the name, so it stays when others come and go.  An address is the
lowest free one in each subnet of the port's switch, in the order of the file; what a port has already, it
keeps.  Where routers have workloads make IPv6 addresses themselves, these follow from MAC addresses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from ipaddress import IPv6Network, ip_address, ip_interface, ip_network
from itertools import islice
from typing import Final

from msgspec.structs import replace

from tulle.values import LogicalPort, LogicalSwitch, Network

MAC_BYTES: Final = 6
SLAAC_BITS: Final = 64


def derived_mac(name: str) -> str:
    """A locally administered unicast address (IEEE 802, first byte 02) out of a full name."""
    digest = blake2b(name.encode(), digest_size=5).digest()
    return "02:" + digest.hex(":")


def with_addresses(network: Network, ports: Collection[str], known: Network | None = None) -> Network:
    """The network with the named ports given one address in each subnet of their switch.

    They keep what they have in the network that is `known`.  A full subnet gives none, and what is malformed is
    passed over: the rules speak of it.
    """
    kept = _kept(network, ports, known)
    taken = {*_taken(network), *(address for addresses in kept.values() for address in addresses)}
    free = {
        switch.name: [(subnet, _free(subnet, taken)) for subnet in _subnets(switch)]
        for switch in network.switches
    }
    homes, filled = slaac_homes(network), []
    for port in network.ports:
        own = slaac_addresses(homes, port) if port.localnet is None else ()
        if port.name in ports and not port.addresses and port.localnet is None:
            had = (*dict.fromkeys((*kept.get(port.name, ()), *own)),)
            given = (_given(subnet, had, found) for subnet, found in free.get(port.switch, ()))
            port = replace(port, addresses=tuple(one for few in given for one in few))
        elif port.addresses:
            port = replace(port, addresses=(*dict.fromkeys((*port.addresses, *own)),))
        filled.append(port)
    return replace(network, ports=tuple(filled))


def with_service_addresses(network: Network, known: Network | None = None) -> Network:
    """The network with an address for its services where no router has one: what it was, or the highest free one."""
    taken = set(_taken(network))
    before = {switch.name: switch for switch in known.switches} if known is not None else {}
    made = []
    for switch in network.switches:
        if (switch.dhcp is not None or network.dns is not None) and not switch.service_addresses:
            had = before.get(switch.name, LogicalSwitch("")).service_addresses
            switch = replace(switch, service_addresses=_services(network, switch, taken, had))
        made.append(switch)
    return replace(network, switches=tuple(made))


def slaac_homes(network: Network) -> Mapping[str, tuple[IPv6Network, ...]]:
    """By switch: the prefixes of which workloads make addresses themselves (RFC 4862)."""
    found: dict[str, tuple[IPv6Network, ...]] = {}
    for router in network.routers:
        for port in router.ports:
            if port.ra == "slaac":
                homes = (ip_interface(one).network for one in port.addresses if _sound(one))
                fitting = (
                    one for one in homes if isinstance(one, IPv6Network) and one.prefixlen == SLAAC_BITS
                )
                found[port.switch] = (*found.get(port.switch, ()), *fitting)
    return found


def slaac_addresses(homes: Mapping[str, tuple[IPv6Network, ...]], port: LogicalPort) -> tuple[str, ...]:
    """The addresses that the workload will make itself (RFC 4291 appendix A)."""
    there = homes.get(port.switch, ())
    try:
        octets = bytes.fromhex(port.mac.replace(":", "")) if there else b""
    except ValueError:
        return ()
    if len(octets) != MAC_BYTES:
        return ()
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return tuple(str(home[int.from_bytes(identifier, "big")]) for home in there)


def _kept(network: Network, ports: Collection[str], known: Network | None) -> dict[str, tuple[str, ...]]:
    """What ports had, as far as it is still theirs: on the same switch, in a subnet, and nobody else's."""
    before = {port.name: port for port in known.ports} if known is not None else {}
    subnets = {one.name: _subnets(one) for one in network.switches}
    taken = set(_taken(network))
    kept = {}
    for port in network.ports:
        old = before.get(port.name)
        if port.name in ports and not port.addresses and old is not None and old.switch == port.switch:
            there = subnets.get(port.switch, [])
            free = (one for one in old.addresses if one not in taken and _home(one, there))
            kept[port.name] = _one_each(free, there)
    return kept


def _one_each(addresses: Iterable[str], subnets: Collection[str]) -> tuple[str, ...]:
    """The first address of each subnet."""
    found: dict[str, str] = {}
    for one in addresses:
        found.setdefault(_home(one, subnets), one)
    return tuple(found.values())


def _home(address: str, subnets: Collection[str]) -> str:
    """The subnet that an address is in; empty if there is none."""
    return next((one for one in subnets if ip_address(address) in ip_network(one)), "")


def _given(subnet: str, had: Iterable[str], free: Iterator[str]) -> tuple[str, ...]:
    """What a port has in a subnet already, or the next free address there."""
    network = ip_network(subnet)
    kept = tuple(one for one in had if ip_address(one) in network)
    return kept or tuple(islice(free, 1))


def _services(
    network: Network, switch: LogicalSwitch, taken: set[str], had: Iterable[str]
) -> tuple[str, ...]:
    """One address of each family that no router has there."""
    ports = (port for router in network.routers for port in router.ports if port.switch == switch.name)
    routed = {ip_interface(one).version for port in ports for one in port.addresses if _sound(one)}
    found: dict[int, str] = {}
    subnets = _subnets(switch)
    kept = [one for one in had if one not in taken and _home(one, subnets)]
    highest = (next(_free(subnet, taken, downwards=True), None) for subnet in subnets)
    for address in (*kept, *highest):
        if address is not None and (version := ip_address(address).version) not in routed:
            found.setdefault(version, address)
    return tuple(found[version] for version in sorted(found))


def _taken(network: Network) -> Iterator[str]:
    for port in network.ports:
        yield from port.addresses
    for router in network.routers:
        for router_port in router.ports:
            yield from (str(ip_interface(one).ip) for one in router_port.addresses if _sound(one))
    for switch in network.switches:
        yield from switch.service_addresses


def _free(subnet: str, taken: set[str], *, downwards: bool = False) -> Iterator[str]:
    """Addresses of the subnet that nobody has, from the lowest on, or from the highest down."""
    network = ip_network(subnet)
    roomy = network.num_addresses > 2
    first = int(network[0]) + roomy
    last = int(network[-1]) - (roomy and network.version == 4)
    for number in range(last, first - 1, -1) if downwards else range(first, last + 1):
        address = str(type(network[0])(number))
        if address not in taken:
            yield address


def _subnets(switch: LogicalSwitch) -> list[str]:
    return [one for one in switch.subnets if _sound(one, strict=True)]


def _sound(text: str, *, strict: bool = False) -> bool:
    try:
        ip_address(text.partition("/")[0])
        ip_network(text, strict=strict)
    except ValueError:
        return False
    return True
