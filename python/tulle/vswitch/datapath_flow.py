"""Flows as `ovs-dpctl` writes them (`in_port(1),eth_type(0x0800),ipv4(src=10.0.0.1)`), turned into `ovs-ofctl`'s."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tulle.errors import InvalidInput

_PART = re.compile(r"([a-z0-9_]+)\(([^()]*(?:\([^()]*\)[^()]*)*)\),?")
_PLAIN = {
    "in_port": "in_port",
    "eth_type": "dl_type",
    "skb_mark": "pkt_mark",
    "ct_state": "ct_state",
    "ct_zone": "ct_zone",
    "ct_mark": "ct_mark",
    "ct_label": "ct_label",
}
_NESTED: Mapping[str, Mapping[str, str]] = {
    "eth": {"src": "dl_src", "dst": "dl_dst"},
    "vlan": {"vid": "dl_vlan", "pcp": "dl_vlan_pcp"},
    "ipv4": {"src": "nw_src", "dst": "nw_dst", "proto": "nw_proto", "tos": "nw_tos", "ttl": "nw_ttl"},
    "ipv6": {
        "src": "ipv6_src",
        "dst": "ipv6_dst",
        "label": "ipv6_label",
        "proto": "nw_proto",
        "tclass": "nw_tos",
        "hlimit": "nw_ttl",
    },
    "tcp": {"src": "tcp_src", "dst": "tcp_dst"},
    "udp": {"src": "udp_src", "dst": "udp_dst"},
    "sctp": {"src": "sctp_src", "dst": "sctp_dst"},
    "icmp": {"type": "icmp_type", "code": "icmp_code"},
    "icmpv6": {"type": "icmpv6_type", "code": "icmpv6_code"},
    "arp": {
        "sip": "arp_spa",
        "tip": "arp_tpa",
        "op": "arp_op",
        "sha": "arp_sha",
        "tha": "arp_tha",
    },
    "tunnel": {"tun_id": "tun_id", "src": "tun_src", "dst": "tun_dst"},
}
_UNSEEN = {"recirc_id", "dp_hash", "skb_priority", "packet_type", "tcp_flags", "ct_tuple4", "ct_tuple6", "nd"}


def is_one(word: str) -> bool:
    """Whether this is a datapath flow rather than a bridge or an `ovs-ofctl` flow."""
    return re.match(r"[a-z0-9_]+\(", word) is not None


def openflow(text: str) -> str:
    """The same packet as `ovs-ofctl` describes it; masks are left out, since a packet has none.

    Raises `InvalidInput` for what is not a datapath flow.
    """
    rest, found = text.replace(" ", ""), []
    while rest:
        match = _PART.match(rest)
        if match is None:
            raise InvalidInput(f"expected NAME(...) at {rest[:30]!r}")
        rest = rest[match.end() :]
        found += _fields(match[1], match[2])
    return ",".join(found)


def _fields(name: str, inside: str) -> list[str]:
    if name == "encap":
        return [part for part in openflow(inside).split(",") if part]
    if name in _UNSEEN:
        return []
    if name in _PLAIN:
        return [f"{_PLAIN[name]}={inside.split('/')[0]}"]
    if name not in _NESTED:
        raise InvalidInput(f"unknown field {name} of a datapath flow")
    fields = []
    for pair in inside.split(","):
        key, _, value = pair.partition("=")
        if key in _NESTED[name]:
            fields.append(f"{_NESTED[name][key]}={value.split('/')[0]}")
    return fields
