"""Feature: a network that speaks IPv4 alone, or IPv6 alone, drops the other one where it comes in.

One that is `l2` knows no addresses at all (`rules_services` sees to that) and forwards whatever frames hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tulle.values import Flow, fields, flow
from tulle.values.pipeline import ETH_ARP, ETH_IPV4, ETH_IPV6, FROM_PORT_ACL

from .view import View

PRIORITY: Final = 65535
UNSPOKEN: Final = {"ipv4": (ETH_IPV6,), "ipv6": (ETH_IPV4, ETH_ARP)}


def forwarding_flows(view: View) -> Iterator[Flow]:
    """An end, before all ACLs, for what the network does not speak."""
    for switch in view.network.switches:
        for eth_type in UNSPOKEN.get(view.network.forwarding, ()):
            match = fields(metadata=view.datapath(switch.name), dl_type=eth_type)
            yield flow(FROM_PORT_ACL, PRIORITY, match, (), view.owner("forwarding", switch.name))
