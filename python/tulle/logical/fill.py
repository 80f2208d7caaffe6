"""What a file may leave out: MAC addresses and addresses, found the same way every time.

A MAC address follows from the name, so it stays when others come and go.  An address is the
lowest free one in each subnet of the port's switch, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import blake2b
from ipaddress import ip_address, ip_interface, ip_network

from msgspec.structs import replace

from tulle.values import Network


def derived_mac(name: str) -> str:
    """A locally administered unicast address (IEEE 802, first byte 02) out of a full name."""
    digest = blake2b(name.encode(), digest_size=5).digest()
    return "02:" + digest.hex(":")


def with_addresses(network: Network, ports: Collection[str]) -> Network:
    """The network with the named ports given one address in each subnet of their switch.

    A full subnet gives none, and what is malformed is passed over: the rules speak of it.
    """
    taken = set(_taken(network))
    free = {
        switch.name: [_free(subnet, taken) for subnet in switch.subnets if _sound(subnet)]
        for switch in network.switches
    }
    filled = []
    for port in network.ports:
        if port.name in ports and not port.addresses:
            found = [next(addresses, None) for addresses in free.get(port.switch, ())]
            port = replace(port, addresses=tuple(one for one in found if one is not None))
        filled.append(port)
    return replace(network, ports=tuple(filled))


def _taken(network: Network) -> Iterator[str]:
    for port in network.ports:
        yield from port.addresses
    for router in network.routers:
        for router_port in router.ports:
            yield from (str(ip_interface(one).ip) for one in router_port.addresses if _sound(one))


def _free(subnet: str, taken: set[str]) -> Iterator[str]:
    """Addresses of the subnet that nobody has, from the lowest on."""
    network = ip_network(subnet)
    roomy = network.num_addresses > 2
    first = int(network[0]) + roomy
    last = int(network[-1]) - (roomy and network.version == 4)
    for number in range(first, last + 1):
        address = str(type(network[0])(number))
        if address not in taken:
            yield address


def _sound(text: str) -> bool:
    try:
        ip_address(text.partition("/")[0])
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
