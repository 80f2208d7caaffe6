"""Part 1, the logical view: what virtual networks are, and what they mean for a packet.

Knows networks, switches, routers, ports and ACLs; never nodes beyond their names, VNIs or tunnels.
Everything here is pure.
"""

from .clone import Place, cloned, renamed
from .compile import compile_interfaces, compile_network
from .edit import Edit, edited, refuse_unsound
from .file import emit_file, order_problems, parse_file
from .match import emit_match, parse_match
from .reach import Reach, ReachChange, reach_change
from .rules import problems
from .snapshot import changes, diff, document_of, kept_members, network_of

__all__ = [
    "Edit",
    "Place",
    "Reach",
    "ReachChange",
    "changes",
    "cloned",
    "compile_interfaces",
    "compile_network",
    "diff",
    "document_of",
    "edited",
    "emit_file",
    "emit_match",
    "kept_members",
    "network_of",
    "order_problems",
    "parse_file",
    "parse_match",
    "problems",
    "reach_change",
    "refuse_unsound",
    "renamed",
]
