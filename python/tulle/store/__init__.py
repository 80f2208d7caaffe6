"""The edge between rows and values: what the databases `Tulle` and `Tulle_State` hold, as `tulle.values`.

    rows = source(database)                          # or a Replica: rows("Network") gives its rows
    stored = networks(rows)["red"]                   # StoredNetwork(network=Network(...), generation=4)
    writer = Writer(load("tulle"))
    write_network(writer, rows, network, generation=5)
    database.transact(writer.operations)

Controller and agents share it.  It opens nothing and keeps nothing.
"""

from __future__ import annotations

from .changing import write_changed_network
from .followed import Networks, followed
from .health import backends, down, write_backends
from .insertion import appliances, write_appliances
from .intent import (
    StoredNetwork,
    canonical,
    declared_nodes,
    delete_network,
    networks,
    preferred,
    write_declared_nodes,
    write_network,
)
from .parts import parts_of, read_document, write_document, write_network_document
from .question import Question, answer_of, questions, write_answer, write_question
from .state import (
    applied,
    bindings,
    delete_tunnel_ends,
    ids,
    mute_nodes,
    nodes,
    reports,
    tunnel_ends,
    tunnels,
    write_binding,
    write_external_nodes,
    write_heartbeat,
    write_ids,
    write_node,
    write_tunnel_ends,
    write_tunnels,
)
from .trace import (
    TraceOutput,
    TraceRequest,
    TraceResult,
    TraceStep,
    trace_requests,
    trace_result,
    write_trace_request,
    write_trace_result,
)
from .turns import turns, version_reports, versions, write_turns, write_version_report
from .writer import Row, Source, Writer, source

__all__ = [
    "Networks",
    "Question",
    "Row",
    "Source",
    "StoredNetwork",
    "TraceOutput",
    "TraceRequest",
    "TraceResult",
    "TraceStep",
    "Writer",
    "answer_of",
    "appliances",
    "applied",
    "backends",
    "bindings",
    "canonical",
    "declared_nodes",
    "delete_network",
    "delete_tunnel_ends",
    "down",
    "followed",
    "ids",
    "mute_nodes",
    "networks",
    "nodes",
    "parts_of",
    "preferred",
    "questions",
    "read_document",
    "reports",
    "source",
    "trace_requests",
    "trace_result",
    "tunnel_ends",
    "tunnels",
    "turns",
    "version_reports",
    "versions",
    "write_answer",
    "write_appliances",
    "write_backends",
    "write_binding",
    "write_changed_network",
    "write_declared_nodes",
    "write_document",
    "write_external_nodes",
    "write_heartbeat",
    "write_ids",
    "write_network",
    "write_network_document",
    "write_node",
    "write_question",
    "write_trace_request",
    "write_trace_result",
    "write_tunnel_ends",
    "write_tunnels",
    "write_turns",
    "write_version_report",
]
