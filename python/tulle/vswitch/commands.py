"""The commands of the control socket: what `ovs-appctl` users expect, and `tulle/trace` for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from tulle._native import NativeError, emit_frame
from tulle.errors import InvalidInput, NotFound
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.bridge import Bridge

MAX_FRAME_BYTES = 65536
_PATH_FIELDS = {"in_port", "tun_id", "tunnel_id", "tun_src", "tun_dst"}
Tunnel = tuple[int, str, str]


def register(server: ControlServer, bridges: Mapping[str, Bridge], leave: Callable[[], None]) -> None:
    """Offer all commands; `leave` ends the process."""

    def exit_process(_arguments: list[str]) -> str:
        leave()
        return ""

    server.register("version", "", lambda _: f"tulle-vswitch (Tulle) {release()}\n")
    server.register("exit", "[--cleanup]", exit_process)
    server.register("ofproto/list", "", lambda _: "".join(f"{name}\n" for name in sorted(bridges)))
    server.register("ofproto/trace", "bridge flow [packet]", lambda words: trace_text(bridges, words))
    server.register("tulle/trace", "request", lambda words: trace_json(bridges, words[0]))
    server.register("dpctl/dump-flows", "[bridge]", lambda words: dump_cache(bridges, words))
    server.register("coverage/show", "", lambda _: show_coverage(bridges))
    server.register("drops/show", "[format]", lambda words: show_drops(bridges, words))


def release() -> str:
    """The installed version of Tulle."""
    try:
        return version("tulle")
    except PackageNotFoundError:
        return "unknown"


def find_bridge(bridges: Mapping[str, Bridge], name: str) -> Bridge:
    """The bridge of this name; raises `NotFound`."""
    if name not in bridges:
        raise NotFound(f"no bridge {name}; there are {', '.join(sorted(bridges)) or 'none'}")
    return bridges[name]


def trace_json(bridges: Mapping[str, Bridge], request: str) -> str:
    """`{"bridge", "in_port", "frame": hex, "tunnel": [id, src, dst] or null}` to what `Switch.trace` gives.

    Frames are hexadecimal, cookies and tunnel ids numbers.
    """
    try:
        asked = orjson.loads(request)
        bridge = find_bridge(bridges, str(asked["bridge"]))
        in_port, frame = int(asked["in_port"]), bytes.fromhex(asked["frame"])
        tunnel = _tunnel(asked.get("tunnel"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"not a trace request: {error!r}") from error
    return orjson.dumps(_trace(bridge, in_port, frame, tunnel), default=_hexadecimal).decode()


def trace_text(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """Trace a packet, made up from a flow or given in hexadecimal, for people."""
    bridge = find_bridge(bridges, words[0])
    fields = [part.strip() for part in words[1].split(",") if part.strip()]
    path = dict(
        part.split("=", 1) for part in fields if part.split("=", 1)[0] in _PATH_FIELDS and "=" in part
    )
    inner = ",".join(part for part in fields if part.split("=", 1)[0] not in _PATH_FIELDS)
    try:
        frame = bytes.fromhex(words[2]) if len(words) > 2 else emit_frame(inner)
        in_port = int(path.get("in_port", "0"))
        tunnel = _text_tunnel(path)
    except (ValueError, NativeError) as error:
        raise InvalidInput(f"not a flow or packet: {error}") from error
    return _emit_trace(words[1], _trace(bridge, in_port, frame, tunnel))


def dump_cache(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """The flow cache of one bridge or all, a line each."""
    chosen = [find_bridge(bridges, words[0])] if words else list(bridges.values())
    return "".join(f"{line}\n" for bridge in chosen for line in bridge.switch.dump_cache())


def show_coverage(bridges: Mapping[str, Bridge]) -> str:
    """Counters of the flow caches."""
    lines = [
        f"{bridge.name:<16} {name:<24} {count}\n"
        for bridge in bridges.values()
        for name, count in sorted(bridge.switch.cache_statistics().items())
    ]
    return "".join(lines)


def show_drops(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """Lost packets by bridge, reason and port; `json` as format is for programs."""
    found = [{"bridge": bridge.name, **drop} for bridge in bridges.values() for drop in bridge.switch.drops()]
    if words == ["json"]:
        return orjson.dumps(found).decode()
    if words:
        raise InvalidInput(f"format must be json, not {words[0]}")
    return "".join(
        f"{one['bridge']:<16} {one['reason']:<24} port {one['port']}: {one['packets']}\n" for one in found
    )


def _trace(bridge: Bridge, in_port: int, frame: bytes, tunnel: Tunnel | None) -> dict[str, Any]:
    if len(frame) > MAX_FRAME_BYTES:
        raise InvalidInput(f"a frame has at most {MAX_FRAME_BYTES} bytes, not {len(frame)}")
    try:
        return bridge.switch.trace(in_port, frame, tunnel)
    except (NativeError, OverflowError) as error:
        raise InvalidInput(str(error)) from error


def _tunnel(json: Any) -> Tunnel | None:
    if json is None:
        return None
    number, source, destination = json
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


def _emit_trace(flow: str, traced: dict[str, Any]) -> str:
    lines = [f"Flow: {flow}", ""]
    for step in traced["steps"]:
        indent = "    " * int(step.get("depth", 0))
        lines.append(f"{indent}{step['table']}. {step['match'] or 'any'}, priority {step['priority']}")
        lines.append(f"{indent}     cookie {step['cookie']:#x}: {step['actions']}")
    lines.append("")
    for output in traced["outputs"]:
        tunnel = output.get("tunnel")
        way = f" tunnel(tun_id={tunnel[0]:#x},src={tunnel[1]},dst={tunnel[2]})" if tunnel else ""
        lines.append(f"output: port {output['port']}{way}")
    lines += [f"controller: table {one['table']}, cookie {one['cookie']:#x}" for one in traced["controller"]]
    lines += [f"drop: {reason}" for reason in traced["drops"]]
    return "\n".join(lines) + "\n"
