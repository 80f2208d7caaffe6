"""Part 2, the control plane: which node needs what, through which tunnel, in which encapsulation.

Knows nodes, bindings, tunnels and how large a context is; never wire formats or protocols.
Everything here is pure.
"""

from .allocate import allocate
from .mtu import network_mtu
from .physical import compile_node
from .placement import Placement, attachments, placement, requested_bindings
from .plan import plan, plan_attachments, plan_flows, plan_tunnels
from .tunnels import choose, tunnels_of

__all__ = [
    "Placement",
    "allocate",
    "attachments",
    "choose",
    "compile_node",
    "network_mtu",
    "placement",
    "plan",
    "plan_attachments",
    "plan_flows",
    "plan_tunnels",
    "requested_bindings",
    "tunnels_of",
]
