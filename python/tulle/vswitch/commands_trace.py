"""`ofproto/trace`: the way of a packet through the tables, made up from a flow or given in hexadecimal.

A packet that leaves by a patch port is followed into the next bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tulle._native import NativeError, emit_frame
from tulle.errors import InvalidInput
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch import datapath_flow
from tulle.vswitch.bridge import Bridge
from tulle.vswitch.configuration import NATIVE_LOCAL_PORT, native_number

MAX_FRAME_BYTES = 65536
MOST_BRIDGES = 16
CT_STATES = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
"""In the order of their bits (ovs-fields(7), ct_state)."""
_PATH_FIELDS = {"in_port", "tun_id", "tunnel_id", "tun_src", "tun_dst"}
Tunnel = tuple[int, str, str]
Bridges = Mapping[str, Bridge]
Finder = Callable[[Bridges, str], Bridge]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a packet has from the tunnel that it came out of: id and addresses, and `tun_metadata` as a match."""

    tunnel: Tunnel | None = None
    options: str = ""


def register(server: ControlServer, bridges: Bridges, find: Finder) -> None:
    """Offer the commands."""
    usage = "[-generate] [dp_name] [odp_flow] [bridge] [br_flow] [packet]..."
    server.register("ofproto/trace", usage, lambda words: trace_text(bridges, find, words))
    server.register("tulle/trace", "request", lambda words: trace_json(bridges, find, words[0]))


def trace_json(bridges: Bridges, find: Finder, request: str) -> str:
    """`{"bridge", "in_port", "frame": hex, "tunnel": [id, src, dst] or null}` to what `Switch.trace` gives.

    Frames are hexadecimal, cookies and tunnel ids numbers.
    """
    try:
        asked = orjson.loads(request)
        bridge = find(bridges, str(asked["bridge"]))
        in_port, frame = int(asked["in_port"]), bytes.fromhex(asked["frame"])
        origin = Origin(_tunnel(asked.get("tunnel")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"not a trace request: {error!r}") from error
    return orjson.dumps(_trace(bridge, in_port, frame, origin), default=_hexadecimal).decode()


def trace_text(bridges: Bridges, find: Finder, words: list[str]) -> str:
    """Trace a packet for people; the arguments are those of ovs-vswitchd(8)."""
    plain, states = _without_options(words)
    bridge, flow, packet = _parsed(bridges, find, plain)
    fields = [part.strip() for part in flow.split(",") if part.strip()]
    path = dict(part.split("=", 1) for part in fields if _name(part) in _PATH_FIELDS and "=" in part)
    options = ",".join(part for part in fields if _is_option(part))
    inner = ",".join(part for part in fields if _name(part) not in _PATH_FIELDS and not _is_option(part))
    try:
        frame = bytes.fromhex(packet) if packet else emit_frame(inner)
        in_port = _port(bridge, path.get("in_port", "0"))
        origin = Origin(_text_tunnel(path), options)
    except (ValueError, NativeError) as error:
        raise InvalidInput(f"not a flow or packet: {error}") from error
    lines = [f"Flow: {flow}", ""]
    lines += _followed(bridges, bridge, in_port, frame, origin, states)
    return "\n".join(lines) + "\n"


def _without_options(words: list[str]) -> tuple[list[str], list[int]]:
    """The arguments, and the states that `--ct-next` gives.  A packet is made up or given, whatever else is said."""
    left, states = [], []
    rest = iter(words)
    for word in rest:
        if word == "--ct-next" or word.startswith("--ct-next="):
            states.append(_state(word.partition("=")[2] or next(rest, "")))
        elif not word.startswith("-"):
            left.append(word)
    return left, states


def _state(text: str) -> int:
    """`trk,est` as bits; raises `InvalidInput`."""
    names = [name for name in text.replace("|", ",").split(",") if name]
    if unknown := [name for name in names if name not in CT_STATES]:
        raise InvalidInput(f"unknown connection state {unknown[0]}; known are {', '.join(CT_STATES)}")
    return sum({1 << CT_STATES.index(name) for name in names})


def _parsed(bridges: Bridges, find: Finder, words: list[str]) -> tuple[Bridge, str, str]:
    """The bridge, the flow as `ovs-ofctl` has it, and the packet in hexadecimal or nothing."""
    if not words:
        raise InvalidInput("expected a bridge and a flow, or a datapath flow")
    at = next((index for index, word in enumerate(words[:2]) if datapath_flow.is_one(word)), None)
    if at is None:
        if len(words) not in (2, 3):
            raise InvalidInput("expected BRIDGE FLOW [PACKET]")
        return find(bridges, words[0]), words[1], words[2] if len(words) == 3 else ""
    named = words[0].partition("@")[2] if at == 1 else ""
    if named in bridges:
        bridge = bridges[named]
    elif len(bridges) == 1:
        bridge = next(iter(bridges.values()))
    else:
        raise InvalidInput(f"a datapath flow needs netdev@BRIDGE with one of {', '.join(sorted(bridges))}")
    packet = words[at + 1] if len(words) > at + 1 else ""
    return bridge, datapath_flow.openflow(words[at]), packet


def _followed(
    bridges: Bridges,
    bridge: Bridge,
    in_port: int,
    frame: bytes,
    origin: Origin,
    states: list[int],
    depth: int = 0,
) -> Iterator[str]:
    traced = _trace(bridge, in_port, frame, origin, states)
    title = f'bridge("{bridge.name}")'
    yield from (title, "-" * len(title))
    for number, walk in enumerate(traced["passes"]):
        if number:
            yield from ("", f"recirc({walk['id']:#x})", "-" * 14)
        for kind, deep, text in walk["events"]:
            indent = "    " * int(deep)
            yield (
                f"{indent}{text}"
                if kind == "table"
                else f"{indent}    {'-> ' if kind == 'note' else ''}{text}"
            )
        yield from ("", f"Flow at the start: {walk['flow']}")
        yield f"Megaflow: {walk['megaflow'] or 'any'}"
        yield f"Datapath actions: {','.join(walk['operations']) or 'drop'}"
    yield ""
    next_bridges = []
    for output in traced["outputs"]:
        way = output.get("tunnel")
        through = f" tunnel(tun_id={way[0]:#x},src={way[1]},dst={way[2]})" if way else ""
        yield f"output: port {_shown(output['port'])} ({bridge.port_name(output['port'])}){through}"
        if (peer := _peer(bridges, bridge, output["port"])) is not None:
            next_bridges.append((*peer, output["frame"]))
    yield from (
        f"controller: table {one['table']}, cookie {one['cookie']:#x}" for one in traced["controller"]
    )
    yield from (f"drop: {reason}" for reason in traced["drops"])
    for peer_bridge, number, outgoing in next_bridges:
        yield ""
        if depth >= MOST_BRIDGES:
            yield "drop: patch-loop"
        else:
            yield from _followed(bridges, peer_bridge, number, outgoing, Origin(), states, depth + 1)


def _peer(bridges: Bridges, bridge: Bridge, number: int) -> tuple[Bridge, int] | None:
    port = bridge.ports.get(bridge.port_name(number))
    if port is None or port.device.kind != "patch":
        return None
    for other in bridges.values():
        peer = other.ports.get(port.device.peer)
        if peer is not None and peer.device.kind == "patch" and peer.device.peer == port.device.name:
            return other, peer.number
    return None


def _port(bridge: Bridge, text: str) -> int:
    """A port by number or name; LOCAL is the bridge's own."""
    if text.upper() == "LOCAL":
        return NATIVE_LOCAL_PORT
    if text in bridge.ports:
        return native_number(bridge.ports[text].number)
    return native_number(int(text.strip('"'), 0))


def _shown(number: int) -> str:
    return "LOCAL" if number == NATIVE_LOCAL_PORT else str(number)


def _is_option(part: str) -> bool:
    return part.startswith("tun_metadata")


def _name(part: str) -> str:
    return part.split("=", 1)[0]


def _trace(
    bridge: Bridge, in_port: int, frame: bytes, origin: Origin, states: list[int] | None = None
) -> dict[str, Any]:
    if len(frame) > MAX_FRAME_BYTES:
        raise InvalidInput(f"a frame has at most {MAX_FRAME_BYTES} bytes, not {len(frame)}")
    try:
        return bridge.switch.trace(in_port, frame, origin.tunnel, states or [], origin.options)
    except (NativeError, OverflowError) as error:
        raise InvalidInput(str(error)) from error


def _tunnel(value: Any) -> Tunnel | None:
    if value is None:
        return None
    number, source, destination = value
    return int(number), str(source), str(destination)


def _text_tunnel(path: Mapping[str, str]) -> Tunnel | None:
    number = path.get("tun_id", path.get("tunnel_id"))
    if number is None:
        return None
    return int(number, 0), path.get("tun_src", "0.0.0.0"), path.get("tun_dst", "0.0.0.0")


def _hexadecimal(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"cannot emit {type(value).__name__}")
