"""The stages that a packet passes inside a switch, shared by all who write flows.

`metadata` holds the current logical datapath, `reg14` the ingress port key, `reg15` the egress
port key.  Bit 0 of `reg10` is set while a packet came from a tunnel that names no egress port.
"""

from __future__ import annotations

from typing import Final

PHYSICAL_INGRESS: Final = 0
FROM_PORT_ACL: Final = 10
RESPONDERS: Final = 11
SWITCH_LOOKUP: Final = 12
ND_ADVERTISEMENT: Final = 13
ROUTER_INPUT: Final = 20
ROUTING: Final = 21
OUTPUT: Final = 30
TUNNEL_DELIVERY: Final = 32
TO_PORT_ACL: Final = 40
DELIVER: Final = 41

ETH_IPV4: Final = 0x0800
ETH_ARP: Final = 0x0806
ETH_IPV6: Final = 0x86DD
PROTO_ICMP: Final = 1
PROTO_TCP: Final = 6
PROTO_UDP: Final = 17
PROTO_ICMP6: Final = 58
