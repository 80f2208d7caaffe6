"""The stages that a packet passes inside a switch, shared by all who write flows.

`metadata` holds the current logical datapath (24 bits) and above it the version of its network (8 bits),
`reg14` the ingress port key, `reg15` the egress port key.  Bit 0 of `reg10` is set while a packet came from
a tunnel that names no egress port, bit 1 while its version is not known either.
For ACLs, `reg11` holds which audit rules have counted the packet, `reg12` the zone of connection
tracking, `reg13` what is to be done with the packet's connection.
For translation, `reg6` says which external address a packet was sent to, `reg7` holds the place of
the chosen backend, or next hop, `reg8` is 1 while a packet may still be translated on its way out, `reg9` holds
the zone of translations of the port where it came in, later of that where it goes out.
For service insertion, `reg5` holds where the packet has passed a chain (bit 0: as it left a port, bit 1: as it
enters one), `reg4` which mirror a copy is for.
"""

from __future__ import annotations

from typing import Final

DATAPATH_MASK: Final = 0xFFFFFF
"""The bits of `metadata` that number a switch or router; those above are the version."""
PHYSICAL_INGRESS: Final = 0
PORT_SECURITY: Final = 5
ND_SECURITY: Final = 6
FROM_PORT_ACL: Final = 10
RESPONDERS: Final = 11
SWITCH_LOOKUP: Final = 12
ND_ADVERTISEMENT: Final = 13
ANSWER: Final = 14
ROUTER_INPUT: Final = 20
ROUTING: Final = 21
ROUTE_HOP: Final = 22
ROUTING_POLICY: Final = 23
CHAIN_FROM_PORT: Final = 24
CHAIN_HOP: Final = 25
CHAIN_ENTRY: Final = 26
CHAIN_EXIT: Final = 27
MIRROR_COPY: Final = 28
OUTPUT: Final = 30
TUNNEL_DELIVERY: Final = 32
REDIRECT: Final = 33
TO_PORT_ACL: Final = 40
DELIVER: Final = 41
CHAIN_TO_PORT: Final = 42
MULTICAST: Final = 43
MULTICAST_MEMBERS: Final = 44
FROM_PORT_LIMIT: Final = 46
FROM_PORT_MARK: Final = 47
TO_PORT_LIMIT: Final = 48
FROM_PORT_ZONE: Final = 50
FROM_PORT_TRACK: Final = 51
FROM_PORT_CONNECTION: Final = 52
FROM_PORT_TIER_0: Final = 53
FROM_PORT_TIER_1: Final = 54
FROM_PORT_TIER_2: Final = 55
FROM_PORT_TIER_3: Final = 56
FROM_PORT_DEFAULT: Final = 57
FROM_PORT_VERDICT: Final = 58
TO_PORT_ZONE: Final = 60
TO_PORT_TRACK: Final = 61
TO_PORT_CONNECTION: Final = 62
TO_PORT_TIER_0: Final = 63
TO_PORT_TIER_1: Final = 64
TO_PORT_TIER_2: Final = 65
TO_PORT_TIER_3: Final = 66
TO_PORT_DEFAULT: Final = 67
TO_PORT_VERDICT: Final = 68
TRANSLATION: Final = 70
BACKEND: Final = 71
OTHER_BACKEND: Final = 72
TRANSLATED: Final = 73
AFFINITY: Final = 74
"""What the switch has learned: which client goes to which backend.  The agent has no flow there."""
RETURN: Final = 80
RETURN_TRANSLATION: Final = 81
RETURNED: Final = 82

PASSED_FROM_PORT: Final = 1
PASSED_TO_PORT: Final = 2

ETH_IPV4: Final = 0x0800
ETH_ARP: Final = 0x0806
ETH_IPV6: Final = 0x86DD
ETH_PROBE: Final = 0x88B5
"""Local experimental, IEEE 802: what appliances are probed with."""
PROTO_ICMP: Final = 1
PROTO_IGMP: Final = 2
PROTO_TCP: Final = 6
PROTO_UDP: Final = 17
PROTO_ICMP6: Final = 58
MEMBERSHIP: Final = "membership"
"""The reason for which the agent hears what workloads say of multicast groups."""
