"""Feature: DHCP (RFC 2131, RFC 8415), router solicitations (RFC 4861) and DNS (RFC 1035) go to the agent.

Only what workloads of this node ask: nothing of it comes out of a tunnel, and nothing goes into one.
All flows of a network hand over at one bounded rate; a network without services has none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any, Final

from msgspec import Struct

from tulle.values import Controller, FieldMatch, Flow, LogicalSwitch, Network, fields, flow
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, PROTO_ICMP6, PROTO_UDP, RESPONDERS

from .port_security import link_local
from .responders import address_answers
from .serving import SERVICE_MAC, advertising, is_served, server_of
from .view import Station, View

RATE_PER_S: Final = 500
"""Questions of one network on one node; those of one port are bounded further by the agent."""
NOT_FROM_TUNNEL: Final = FieldMatch("reg10", 0, 1)
PRIORITY: Final = 105
EVERYBODY: Final = "255.255.255.255"
DHCP6_SERVERS: Final = "ff02::1:2"
UDP4: Final[dict[str, Any]] = {"dl_type": ETH_IPV4, "nw_proto": PROTO_UDP}
UDP6: Final[dict[str, Any]] = {"dl_type": ETH_IPV6, "nw_proto": PROTO_UDP}
SOLICITATION: Final[dict[str, Any]] = {"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6, "icmpv6_type": 133}


class Question(Struct, frozen=True):
    """What a service is asked by; `service` is its name for people."""

    service: str
    match: tuple[FieldMatch, ...]


def questions(network: Network, switch: LogicalSwitch) -> Iterator[Question]:
    """All that workloads may ask on the switch."""
    if not is_served(network, switch):
        return
    server = server_of(network, switch)
    if switch.dhcp is not None:
        for target in (EVERYBODY, server.address(4)):
            if target:
                yield Question("DHCP", fields(udp_src=68, udp_dst=67, nw_dst=target, **UDP4))
        yield Question("DHCPv6", fields(udp_dst=547, ipv6_dst=DHCP6_SERVERS, **UDP6))
    if advertising(network, switch.name):
        yield Question("router advertisement", fields(**SOLICITATION))
    if network.dns is not None:
        if target := server.address(4):
            yield Question("DNS", fields(udp_dst=53, nw_dst=target, dl_dst=server.mac, **UDP4))
        if target := server.address(6):
            yield Question("DNS", fields(udp_dst=53, ipv6_dst=target, dl_dst=server.mac, **UDP6))


def service_flows(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """The questions, and how workloads find who answers them."""
    network = view.network
    if not is_served(network, switch):
        return
    here = FieldMatch("metadata", view.datapath(switch.name))
    for question in questions(network, switch):
        match = fields((*question.match, here, NOT_FROM_TUNNEL))
        reason = f"{question.service} of {network.name}/{switch.name}"
        asked = Controller(reason, RATE_PER_S, f"services {network.name}")
        yield flow(RESPONDERS, PRIORITY, match, (asked,), f"{question.service} {network.name}/{switch.name}")
    yield from _neighbours(view, switch)


def _neighbours(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """Service addresses, and the link-local addresses that routers advertise from (RFC 4861 section 4.2)."""
    datapath, owner = view.datapath(switch.name), view.owner("services", switch.name)
    server = server_of(view.network, switch)
    routed = {ip for station in view.stations(switch.name) for ip in station.addresses}
    own = tuple(str(ip_interface(one).ip) for one in server.addresses)
    unknown = tuple(one for one in own if one not in routed)
    yield from address_answers(datapath, Station(0, server.mac, unknown, owner))
    for mac in sorted({port.mac for port in advertising(view.network, switch.name)} - {SERVICE_MAC}):
        yield from address_answers(datapath, Station(0, mac, (link_local(mac),), owner, router="router"))
