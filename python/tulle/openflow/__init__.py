"""What Python needs of OpenFlow, over the native codec: flows as text, and a controller's connection.

No wire format lives here; see `crates/openflow` for that.
"""

from tulle.openflow.changes import FlowChanges, changes
from tulle.openflow.client import DumpedFlow, FlowRefused, OpenFlowClient, PacketIn
from tulle.openflow.flows import emit_flow, flow_key, flow_texts

__all__ = [
    "DumpedFlow",
    "FlowChanges",
    "FlowRefused",
    "OpenFlowClient",
    "PacketIn",
    "changes",
    "emit_flow",
    "flow_key",
    "flow_texts",
]
