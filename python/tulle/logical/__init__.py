"""Part 1, the logical view: what virtual networks are, and what they mean for a packet.

Knows networks, switches, routers, ports and ACLs; never nodes beyond their names, VNIs or tunnels.
Everything here is pure.
"""

from .clone import Place, cloned, renamed
from .compile import compile_interfaces, compile_network, compile_probes
from .delivery import Delivery
from .file import emit_file, order_problems, parse_file
from .file_schema import file_schema
from .match import emit_match, parse_match
from .reach import Reach, ReachChange, reach_change
from .reasons import asked_services, reachability
from .rules import problems
from .services import Service, services
from .serving import compile_services
from .snapshot import changes, diff, document_of, network_of
from .spelling import nearest

__all__ = [
    "Delivery",
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
    "emit_file",
    "emit_match",
    "file_schema",
    "nearest",
    "network_of",
    "order_problems",
    "parse_file",
    "parse_match",
    "problems",
    "reach_change",
    "reachability",
    "renamed",
    "services",
]
