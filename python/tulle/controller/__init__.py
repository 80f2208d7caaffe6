"""`tulle controller`: intent and state databases, numbers, tunnels, snapshots and the API.

It never computes a flow and never talks to a switch: agents follow the databases by OVSDB.

    process    the process: databases, sockets, signals
    stores     the databases as all the rest sees them; here or, in `clustered`, on servers of their own
    activity   what the active controller does: the reaction and the API
    intent     what users change: one transaction each
    reaction   what follows from intent and nodes: numbers, tunnels, bindings of external nodes
    progress   which node has not applied what yet
    listing    what users ask: documents for the API
    frame      the frame that a trace sends
    tracing    a trace from node to node
    http       the API on its unix socket
"""

from __future__ import annotations

from .process import Options, main, run

__all__ = ["Options", "main", "run"]
