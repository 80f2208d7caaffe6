"""The frame that a trace sends: what a workload at a port would send for a match.  Pure.

Addresses of the port and MAC addresses of the next hop come from the network; the result is a match
in `ovs-ofctl` syntax, of which the native side makes bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Final

from tulle.errors import InvalidInput, NotFound
from tulle.logical.match import families, is_reference
from tulle.logical.spelling import nearest
from tulle.logical.targets import answering
from tulle.values import LogicalPort, Match, Network

Address = IPv4Address | IPv6Address
BROADCAST: Final = "ff:ff:ff:ff:ff:ff"
SOURCE_PORT: Final = 49152  # the first dynamic port (RFC 6335 section 6)
TARGET_PORT: Final = 9  # discard (RFC 863)
ECHO_REQUEST: Final = {"icmp": 8, "icmp6": 128}


def frame_match(network: Network, port_name: str, match: Match) -> str:
    """The frame in `ovs-ofctl` syntax; InvalidInput says what the match lacks."""
    port = _port(network, port_name)
    if match.dst is None:
        raise InvalidInput("trace: a destination was expected, as in tcp,dst=10.0.1.5,dport=80")
    target = _single(match.dst, "dst")
    source = _source(port, match, target)
    if match.protocol == "arp":
        return _arp(port, source, target)
    protocol = _protocol(match, target)
    fields = [
        protocol,
        f"dl_src={port.mac}",
        f"dl_dst={next_hop_mac(network, port, target)}",
        *_network_fields(source, target),
        *_transport_fields(match),
    ]
    return ",".join(fields)


def next_hop_mac(network: Network, port: LogicalPort, target: Address) -> str:
    """Where the workload would send it: a neighbour on its switch, a group, or else a router."""
    if target.is_multicast or str(target) == "255.255.255.255":
        return _group_mac(target)
    for mac, addresses in _stations(network, port.switch):
        if target in addresses:
            return mac
    if any(target in ip_network(subnet) for subnet in _subnets(network, port.switch)):
        raise InvalidInput(f"trace: nothing on switch {port.switch} has the address {target}")
    for router in network.routers:
        for router_port in router.ports:
            versions = {ip_interface(one).version for one in router_port.addresses}
            if router_port.switch == port.switch and target.version in versions:
                return router_port.mac
    raise InvalidInput(f"trace: switch {port.switch} has no router, and {target} is not on it")


def _port(network: Network, name: str) -> LogicalPort:
    ports = {port.name: port for port in network.ports}
    if name not in ports:
        raise NotFound(f"no port {name!r} in network {network.name}{nearest(name, ports)}")
    return ports[name]


def _single(text: str, key: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        what = "the reference" if is_reference(text) else "the prefix"
        raise InvalidInput(f"trace: one address was expected for {key}, {what} {text} came") from None


def _source(port: LogicalPort, match: Match, target: Address) -> Address:
    if match.src is not None:
        return _single(match.src, "src")
    for address in map(ip_address, port.addresses):
        if address.version == target.version:
            return address
    raise InvalidInput(f"trace: port {port.name} has no IPv{target.version} address; give src=")


def _protocol(match: Match, target: Address) -> str:
    family = f"ip{target.version}"
    if family not in families(match):
        raise InvalidInput(f"trace: {match.protocol} does not go with {target}")
    if match.protocol in ("tcp", "udp"):
        return match.protocol if target.version == 4 else f"{match.protocol}6"
    if match.protocol in ("icmp", "icmp6"):
        return match.protocol
    return "icmp" if target.version == 4 else "icmp6"


def _arp(port: LogicalPort, source: Address, target: Address) -> str:
    sender = f"dl_src={port.mac},dl_dst={BROADCAST},arp_op=1,arp_sha={port.mac}"
    return f"arp,{sender},arp_spa={source},arp_tpa={target}"


def _network_fields(source: Address, target: Address) -> list[str]:
    names = ("nw_src", "nw_dst") if target.version == 4 else ("ipv6_src", "ipv6_dst")
    return [f"{names[0]}={source}", f"{names[1]}={target}", "nw_ttl=64"]


def _transport_fields(match: Match) -> list[str]:
    if match.protocol in ("tcp", "udp"):
        sport = SOURCE_PORT if match.sport is None else match.sport
        dport = TARGET_PORT if match.dport is None else match.dport
        return [f"{match.protocol}_src={sport}", f"{match.protocol}_dst={dport}"]
    target = ip_address(match.dst or "")
    word = "icmp" if target.version == 4 else "icmp6"
    name = "icmp" if target.version == 4 else "icmpv6"
    kind = ECHO_REQUEST[word] if match.icmp_type is None else match.icmp_type
    return [f"{name}_type={kind}", f"{name}_code={match.icmp_code or 0}"]


def _stations(network: Network, switch: str) -> Iterator[tuple[str, list[Address]]]:
    for port in network.ports:
        if port.switch == switch:
            yield port.mac, [ip_address(one) for one in port.addresses]
    for router in network.routers:
        for router_port in router.ports:
            if router_port.switch == switch:
                yield router_port.mac, [ip_interface(one).ip for one in router_port.addresses]
    for mac, addresses in answering(network, switch):
        yield mac, [ip_address(one) for one in addresses]


def _subnets(network: Network, name: str) -> tuple[str, ...]:
    return next(switch.subnets for switch in network.switches if switch.name == name)


def _group_mac(target: Address) -> str:
    """RFC 1112 section 6.4 and RFC 2464 section 7."""
    if not target.is_multicast:
        return BROADCAST
    low = target.packed[-4:]
    octets = b"\x33\x33" + low if target.version == 6 else bytes((1, 0, 0x5E, low[1] & 0x7F)) + low[2:]
    return octets.hex(":")
