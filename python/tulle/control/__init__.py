"""Part 2, the control plane: which node needs what, through which tunnel, in which encapsulation.

Knows nodes, bindings, tunnels and how large a context is; never wire formats or protocols.
Everything here is pure.
"""

from .allocate import allocate
from .choice import Choice, choice_between
from .context import in_version, versioned
from .insertion import in_path
from .limits import limit_owner
from .mirrors import collector_name
from .mtu import network_mtu
from .physical import compile_node, lets_in
from .placement import Placement, attachments, placement, requested_bindings
from .plan import plan, plan_attachments, plan_flows, plan_tunnels
from .preference import in_use, passed_over
from .retunnel import advance, settled
from .tunnels import all_tunnels_of, choose, tunnels_by_remote, tunnels_of
from .turns import Wanted, advance_turn, is_turning, next_version

__all__ = [
    "Choice",
    "Placement",
    "Wanted",
    "advance",
    "advance_turn",
    "all_tunnels_of",
    "allocate",
    "attachments",
    "choice_between",
    "choose",
    "collector_name",
    "compile_node",
    "in_path",
    "in_use",
    "in_version",
    "is_turning",
    "lets_in",
    "limit_owner",
    "network_mtu",
    "next_version",
    "passed_over",
    "placement",
    "plan",
    "plan_attachments",
    "plan_flows",
    "plan_tunnels",
    "requested_bindings",
    "settled",
    "tunnels_by_remote",
    "tunnels_of",
    "versioned",
]
