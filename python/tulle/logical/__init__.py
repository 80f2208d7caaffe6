"""Part 1, the logical view: what virtual networks are, and what they mean for a packet.

Knows networks, switches, routers, ports and ACLs; never nodes beyond their names, VNIs or tunnels.
Everything here is pure.
"""

from .clone import Place, cloned, renamed
from .compile import compile_interfaces, compile_network
from .file import emit_file, order_problems, parse_file
from .match import emit_match, parse_match
from .reach import Reach, ReachChange, reach_change
from .rules import problems
from .serving import compile_services
from .snapshot import changes, diff, document_of, network_of

__all__ = [
    "Place",
    "Reach",
    "ReachChange",
    "changes",
    "cloned",
    "compile_interfaces",
    "compile_network",
    "compile_services",
    "diff",
    "document_of",
    "emit_file",
    "emit_match",
    "network_of",
    "order_problems",
    "parse_file",
    "parse_match",
    "problems",
    "reach_change",
    "renamed",
]
