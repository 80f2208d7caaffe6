"""A trace from node to node: asks the agent where the port is, then the agents behind its tunnels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from tulle import store
from tulle.errors import Conflict, Unavailable
from tulle.logical import parse_match
from tulle.store import TraceOutput, TraceRequest, TraceResult, Writer, trace_result, write_trace_request
from tulle.values import Network

from .asking import answered_row
from .frame import frame_match
from .stores import Store

HALVES_MAX: Final = 64
Emit = Callable[[str], bytes]


class Tracer:
    """Runs traces over the table `Trace`; `new_id` gives ids, `emit` makes a frame of a match."""

    def __init__(self, state: Store, new_id: Callable[[], str], emit: Emit, timeout_s: float = 10.0) -> None:
        self._database = state
        self._rows = store.source(state)
        self._new_id = new_id
        self._emit = emit
        self._timeout_s = timeout_s

    async def trace(self, network: Network, port: str, text: str) -> dict[str, Any]:
        """What happens to the frame of a match: its text, and one half for each node that it reaches."""
        match = frame_match(network, port, parse_match(text))
        traced = await self.trace_frame(network.name, port, self._emit(match))
        return {"network": network.name, "port": port, "frame": match, **traced}

    async def trace_frame(self, network: str, port: str, frame: bytes) -> dict[str, Any]:
        """What happens to these bytes: {"halves": [one for each node that they reach]}."""
        first = TraceRequest(self._new_id(), self._node_of(network, port), frame, network, port)
        waiting = deque([first])
        halves: list[dict[str, Any]] = []
        while waiting and len(halves) < HALVES_MAX:
            request = waiting.popleft()
            result = await self._half(request)
            halves.append(_document(request, result))
            if isinstance(result, TraceResult):
                waiting.extend(self._continued(result, network))
        return {"halves": halves}

    def _node_of(self, network: str, port: str) -> str:
        for binding in store.bindings(self._rows):
            if (binding.network, binding.port) == (network, port):
                return binding.node
        raise Conflict(f"port {network}/{port} is bound to no node yet, so there is nothing to trace")

    def _continued(self, result: TraceResult, network: str) -> list[TraceRequest]:
        """Requests for the far ends of the tunnels taken; external nodes have nobody to ask."""
        known = store.nodes(self._rows)
        return [
            TraceRequest(
                self._new_id(),
                output.node,
                bytes.fromhex(output.frame),
                network,
                tunnel_id=int(output.tunnel_id, 16),
                tunnel_src=output.tunnel_src,
                tunnel_dst=output.tunnel_dst,
            )
            for output in result.outputs
            if output.node in known and not known[output.node].external and _is_whole(output)
            if output.node is not None and output.tunnel_id is not None
        ]

    async def _half(self, request: TraceRequest) -> TraceResult | str:
        writer = Writer(self._database.schema)
        write_trace_request(writer, request)
        row = await answered_row(
            self._database, writer, "Trace", request.id, asked="requested", timeout_s=self._timeout_s
        )
        if row is None:
            raise Unavailable(f"node {request.node} did not answer the trace within {self._timeout_s:g} s")
        return trace_result(row)


def _is_whole(output: TraceOutput) -> bool:
    """Whether an agent gave all that the far end needs, in the right form."""
    try:
        int(output.tunnel_id or "", 16)
        ip_address(output.tunnel_src or "")
        ip_address(output.tunnel_dst or "")
        return bool(bytes.fromhex(output.frame))
    except ValueError:
        return False


def _document(request: TraceRequest, result: TraceResult | str) -> dict[str, Any]:
    entered = (
        f"port {request.network}/{request.port}" if request.port else f"tunnel from {request.tunnel_src}"
    )
    half: dict[str, Any] = {"node": request.node, "entered": entered}
    if isinstance(result, str):
        return {**half, "failed": result}
    return {**half, **msgspec.to_builtins(result)}
