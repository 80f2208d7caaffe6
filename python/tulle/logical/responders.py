"""Feature: ARP (RFC 826) and neighbour discovery (RFC 4861) answered where the question is asked.

Nothing is flooded that the control plane knows: a question for an address that nobody has ends
here.  Questions that a port asks about its own address (RFC 5227, RFC 4862) are not answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from tulle.values import (
    Flow,
    LogicalSwitch,
    Move,
    Resubmit,
    SetField,
    Slice,
    fields,
    flow,
)
from tulle.values.pipeline import (
    ANSWER,
    ETH_ARP,
    ETH_IPV6,
    ND_ADVERTISEMENT,
    PROTO_ICMP6,
    RESPONDERS,
    SWITCH_LOOKUP,
)

from .balancing import vip_stations
from .match import prefix_field
from .view import Station, View

ARP_REQUEST: Final = {"dl_type": ETH_ARP, "arp_op": 1}
SOLICITATION: Final = {"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6, "icmpv6_type": 135}
ADVERTISEMENT: Final = {"dl_type": ETH_IPV6, "nw_proto": PROTO_ICMP6, "icmpv6_type": 136}
SOLICITED_OVERRIDE: Final = 0x6000_0000
ROUTER_FLAG: Final = 0x8000_0000
SOURCE_LINK_LAYER: Final = 1
TARGET_LINK_LAYER: Final = 2
MAC_BITS: Final = 48
IPV4_BITS: Final = 32
IPV6_BITS: Final = 128


def answer_flows(view: View, switch: LogicalSwitch, station: Station) -> Iterator[Flow]:
    """Answers for each address of a station."""
    yield from address_answers(view.datapath(switch.name), station)


def vip_answers(view: View) -> Iterator[Flow]:
    """Answers for virtual IPs that no router answers for."""
    for switch in view.network.switches:
        for station in vip_stations(view, switch):
            yield from address_answers(view.datapath(switch.name), station)


def responder_flows(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """An end for questions about unknown addresses of the switch."""
    datapath = view.datapath(switch.name)
    owner = view.owner("switch", switch.name)
    for subnet in switch.subnets:
        yield from _unknown(datapath, subnet, view.owner("unknown address", switch.name))
    yield flow(RESPONDERS, 1, fields(metadata=datapath), (Resubmit(SWITCH_LOOKUP),), owner)


def address_answers(datapath: int, station: Station) -> Iterator[Flow]:
    """Answers for each address of a station."""
    for address in station.addresses:
        answers = _nd_answers if ":" in address else _arp_answers
        yield from answers(datapath, station, address)


def _arp_answers(datapath: int, station: Station, address: str) -> Iterator[Flow]:
    asked = fields(metadata=datapath, arp_tpa=address, **ARP_REQUEST)
    own = fields(asked, dl_src=station.mac)
    yield flow(RESPONDERS, 110, own, (Resubmit(SWITCH_LOOKUP),), station.owner)
    actions = (
        _move("dl_src", "dl_dst", MAC_BITS),
        SetField("dl_src", station.mac),
        SetField("arp_op", 2),
        _move("arp_sha", "arp_tha", MAC_BITS),
        SetField("arp_sha", station.mac),
        _move("arp_spa", "arp_tpa", IPV4_BITS),
        SetField("arp_spa", address),
        Resubmit(ANSWER),
    )
    yield flow(RESPONDERS, 100, asked, actions, station.owner)


def _nd_answers(datapath: int, station: Station, address: str) -> Iterator[Flow]:
    asked = fields(metadata=datapath, nd_target=address, **SOLICITATION)
    own = fields(asked, dl_src=station.mac)
    yield flow(RESPONDERS, 110, own, (Resubmit(SWITCH_LOOKUP),), station.owner)
    # RFC 4861 section 7.1.1: a hop limit other than 255 means that the packet was routed.
    answerable = fields(asked, nd_options_type=SOURCE_LINK_LAYER, nw_ttl=255)
    turn = (SetField("icmpv6_type", 136), Resubmit(ND_ADVERTISEMENT))
    yield flow(RESPONDERS, 100, answerable, turn, station.owner)
    # Without the option the answer would have no place for the MAC address: let the owner answer.
    yield flow(RESPONDERS, 90, asked, (Resubmit(SWITCH_LOOKUP),), station.owner)
    yield _advertisement(datapath, station, address)


def _advertisement(datapath: int, station: Station, address: str) -> Flow:
    """A table of its own, for the target's link-layer field exists only once the type is 136."""
    flags = SOLICITED_OVERRIDE | (ROUTER_FLAG if station.router else 0)
    actions = (
        SetField("nd_options_type", TARGET_LINK_LAYER),
        SetField("nd_reserved", flags),
        SetField("nd_tll", station.mac),
        _move("ipv6_src", "ipv6_dst", IPV6_BITS),
        SetField("ipv6_src", address),
        _move("dl_src", "dl_dst", MAC_BITS),
        SetField("dl_src", station.mac),
        Resubmit(ANSWER),
    )
    match = fields(metadata=datapath, nd_target=address, **ADVERTISEMENT)
    return flow(ND_ADVERTISEMENT, 100, match, actions, station.owner)


def _unknown(datapath: int, subnet: str, owner: str) -> Iterator[Flow]:
    if ip_network(subnet).version == 4:
        asked = fields(prefix_field("arp_tpa", subnet), metadata=datapath, **ARP_REQUEST)
    else:
        asked = fields(prefix_field("nd_target", subnet), metadata=datapath, **SOLICITATION)
        # RFC 4862 section 5.4.2: a probe for duplicates has no source and wants silence.
        yield flow(RESPONDERS, 120, fields(asked, ipv6_src="::"), (), f"{owner} (duplicate address probe)")
    yield flow(RESPONDERS, 50, asked, (), owner)


def _move(source: str, target: str, bits: int) -> Move:
    return Move(Slice(source, 0, bits), Slice(target, 0, bits))
