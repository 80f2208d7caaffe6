"""Traces: asked for by the controller in a row of `Trace`, answered by the agent of its node in the same row.

A request has a frame in hexadecimal, and names a port of the node (`network`, `port`) or what came
through a tunnel: `tunnel_id` as `0x…`, and underlay addresses, `tunnel_src` and `tunnel_dst`.
The answer is `status` done with a `TraceResult` in `result`, or failed with a sentence in `result`.
"""

from __future__ import annotations

import msgspec

from tulle.errors import ProtocolError

from .writer import Row, Source, Writer


class TraceRequest(msgspec.Struct, frozen=True):
    """What to trace at which node; either `port` or all three of the tunnel are set."""

    id: str
    node: str
    frame: bytes
    network: str = ""
    port: str = ""
    tunnel_id: int | None = None
    tunnel_src: str | None = None
    tunnel_dst: str | None = None


class TraceStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A flow that the frame met; `owner` is the logical object that it stands for."""

    table: int
    priority: int
    match: str
    actions: str
    owner: str = ""
    depth: int = 0


class TraceOutput(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a copy left: to the logical port `port` (`network/port`), or through a tunnel to `node`."""

    port: str | None = None
    node: str | None = None
    tunnel_id: str | None = None
    tunnel_src: str | None = None
    tunnel_dst: str | None = None
    frame: str = ""


class TraceResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened at one node; `punts` are the reasons for which it went to the agent."""

    steps: tuple[TraceStep, ...] = ()
    outputs: tuple[TraceOutput, ...] = ()
    punts: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()


def write_trace_request(writer: Writer, request: TraceRequest) -> None:
    """Operations that ask for a trace."""
    number = None if request.tunnel_id is None else f"{request.tunnel_id:#x}"
    values = msgspec.structs.asdict(request)
    given = {**values, "frame": request.frame.hex(), "tunnel_id": number}
    writer.insert("Trace", {**given, "status": "requested", "result": ""})


def trace_requests(source: Source, node: str) -> tuple[TraceRequest, ...]:
    """The requests that wait for this node; rows that make no sense are left out."""
    waiting = [row for row in source("Trace") if row["node"] == node and row["status"] == "requested"]
    return tuple(request for row in waiting if (request := _request(row)) is not None)


def write_trace_result(writer: Writer, source: Source, id: str, result: TraceResult | str) -> None:
    """Operations that answer a trace; a text says why it failed."""
    if isinstance(result, str):
        values = {"status": "failed", "result": result}
    else:
        values = {"status": "done", "result": msgspec.json.encode(result).decode()}
    for row in source("Trace"):
        if row["id"] == id:
            writer.update("Trace", row, values)


def trace_result(row: Row) -> TraceResult | str:
    """The answer in a row that is not `requested` any more; raises ProtocolError."""
    if row["status"] == "failed":
        return str(row["result"])
    try:
        return msgspec.json.decode(row["result"], type=TraceResult)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"node {row['node']} answered a trace with something else: {error}") from None


def _request(row: Row) -> TraceRequest | None:
    try:
        number = None if row["tunnel_id"] is None else int(row["tunnel_id"], 16)
        frame = bytes.fromhex(row["frame"])
    except ValueError:
        return None
    return TraceRequest(
        row["id"],
        row["node"],
        frame,
        row["network"],
        row["port"],
        number,
        row["tunnel_src"],
        row["tunnel_dst"],
    )
