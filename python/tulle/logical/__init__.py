"""Part 1, the logical view: what virtual networks are, and what they mean for a packet.

Knows networks, switches, routers, ports and ACLs; never nodes beyond their names, VNIs or tunnels.
Everything here is pure.
"""

from .clone import Place, cloned, renamed
from .compile import compile_interfaces, compile_network, compile_probes
from .delivery import Delivery
from .edit import Edit, edited, refuse_unsound
from .file import emit_file, order_problems, parse_file
from .file_schema import file_schema
from .match import emit_match, parse_match
from .reach import Reach, ReachChange, reach_change
from .reasons import asked_services, reachability
from .rules import problems
from .services import Service, services
from .serving import compile_services
from .snapshot import changes, diff, document_of, kept_members, network_of
from .spelling import nearest

__all__ = [
    "Delivery",
    "Edit",
    "Place",
    "Reach",
    "ReachChange",
    "Service",
    "asked_services",
    "changes",
    "cloned",
    "compile_interfaces",
    "compile_network",
    "compile_probes",
    "compile_services",
    "diff",
    "document_of",
    "edited",
    "emit_file",
    "emit_match",
    "file_schema",
    "kept_members",
    "nearest",
    "network_of",
    "order_problems",
    "parse_file",
    "parse_match",
    "problems",
    "reach_change",
    "reachability",
    "refuse_unsound",
    "renamed",
    "services",
]
