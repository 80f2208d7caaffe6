"""Answers traces: asks the switch to run its forwarding code on a frame, and names what it met."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tulle.agent.interfaces import BRIDGE
from tulle.agent.view import View
from tulle.errors import NotFound
from tulle.ovsdb.unixctl import call
from tulle.store import TraceOutput, TraceRequest, TraceResult, TraceStep
from tulle.values import LocalPort, Node, TunnelPort

Ports = Mapping[LocalPort | TunnelPort, int]


async def trace(
    control: Path,
    request: TraceRequest,
    ports: Ports,
    nodes: Mapping[str, Node],
    ways: Mapping[str, str],
    names: Names,
) -> TraceResult:
    """Trace one request; raises `TulleError` with a sentence for the user.

    `ways` gives the encapsulation in which the request's network comes from each node.
    """
    asked = {
        "bridge": BRIDGE,
        "in_port": _in_port(request, ports, nodes, ways),
        "frame": request.frame.hex(),
        "tunnel": _tunnel(request),
    }
    answer = orjson.loads(await call(control, "tulle/trace", orjson.dumps(asked).decode()))
    addresses = {name: node.address for name, node in nodes.items()}
    return trace_result(answer, ports, names, addresses.get(request.node, ""), addresses)


def sent_by_parent(request: TraceRequest, view: View) -> TraceRequest:
    """The request as its frame comes in: what a child port sends comes from its parent, with a tag."""
    stored = view.networks.get(request.network)
    if stored is None or request.tunnel_id is not None:
        return request
    for port in stored.network.ports:
        if port.name == request.port and port.parent is not None and port.tag is not None:
            frame = request.frame[:12] + b"\x81\x00" + port.tag.to_bytes(2, "big") + request.frame[12:]
            return msgspec.structs.replace(request, port=port.parent, frame=frame)
    return request


class Names:
    """What cookies stand for, and why flows hand packets up."""

    def __init__(self, owners: Mapping[int, str], reasons: Mapping[tuple[int, int], str]) -> None:
        self.owners = owners
        self.reasons = reasons


def trace_result(
    answer: Mapping[str, Any], ports: Ports, names: Names, own: str, addresses: Mapping[str, str]
) -> TraceResult:
    """The switch's answer with numbers turned into names.

    A tunnel goes from the underlay address `own` to that of its node in `addresses`.
    """
    back = {number: port for port, number in ports.items()}
    return TraceResult(
        tuple(_step(step, names) for step in answer["steps"]),
        tuple(_output(output, back, own, addresses) for output in answer["outputs"]),
        tuple(
            names.reasons.get((one["table"], one["cookie"]), f"table {one['table']}")
            for one in answer["controller"]
        ),
        tuple(str(reason) for reason in answer["drops"]),
    )


def _in_port(request: TraceRequest, ports: Ports, nodes: Mapping[str, Node], ways: Mapping[str, str]) -> int:
    if request.tunnel_id is None:
        port: LocalPort | TunnelPort = LocalPort(f"{request.network}/{request.port}")
    else:
        sender = next((node.name for node in nodes.values() if node.address == request.tunnel_src), None)
        if sender is None:
            raise NotFound(f"no node has the address {request.tunnel_src}")
        first = TunnelPort(sender, ways.get(sender, ""))
        port = first if first in ports else msgspec.structs.replace(first, second=True)
    if port not in ports:
        raise NotFound(f"{_port_name(port)} is not plugged in at node {request.node}")
    return ports[port]


def _tunnel(request: TraceRequest) -> list[Any] | None:
    if request.tunnel_id is None:
        return None
    return [request.tunnel_id, request.tunnel_src, request.tunnel_dst]


def _step(step: Mapping[str, Any], names: Names) -> TraceStep:
    return TraceStep(
        step["table"],
        step["priority"],
        step["match"],
        step["actions"],
        names.owners.get(step["cookie"], ""),
        step.get("depth", 0),
    )


def _output(
    output: Mapping[str, Any],
    back: Mapping[int, LocalPort | TunnelPort],
    own: str,
    addresses: Mapping[str, str],
) -> TraceOutput:
    port, frame = back.get(output["port"]), output["frame"]
    if isinstance(port, LocalPort):
        return TraceOutput(port=port.name, frame=frame)
    if port is None:
        return TraceOutput(port=f"switch port {output['port']}", frame=frame)
    if output.get("tunnel") is None:
        return TraceOutput(node=port.node, frame=frame)
    number = output["tunnel"][0]
    return TraceOutput(None, port.node, f"{number:#x}", own, addresses.get(port.node, ""), frame)


def _port_name(port: LocalPort | TunnelPort) -> str:
    return f"port {port.name}" if isinstance(port, LocalPort) else f"the tunnel to {port.node}"
