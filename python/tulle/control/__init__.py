"""Part 2, the control plane: which node needs what, through which tunnel, in which encapsulation.

Knows nodes, bindings, tunnels and how large a context is; never wire formats or protocols.
Everything here is pure.
"""

from .allocate import allocate
from .mtu import network_mtu
from .physical import compile_node
from .placement import Placement, attachments, placement, requested_bindings
from .plan import plan, plan_attachments, plan_flows, plan_tunnels
from .preference import choose_for_networks, in_use, network_reason, pair_reason, passed_over, preferring
from .retunnel import advance, settled
from .tunnels import all_tunnels_of, choose, tunnels_by_remote, tunnels_of

__all__ = [
    "Placement",
    "advance",
    "all_tunnels_of",
    "allocate",
    "attachments",
    "choose",
    "choose_for_networks",
    "compile_node",
    "in_use",
    "network_mtu",
    "network_reason",
    "pair_reason",
    "passed_over",
    "placement",
    "plan",
    "plan_attachments",
    "plan_flows",
    "plan_tunnels",
    "preferring",
    "requested_bindings",
    "settled",
    "tunnels_by_remote",
    "tunnels_of",
]
