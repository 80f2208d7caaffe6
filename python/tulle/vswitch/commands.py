"""The commands of the control socket: what `ovs-appctl` users expect, and `tulle/trace` for programs.

One subject, one file: `commands_trace`, `commands_datapath`, `commands_log`...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from tulle.errors import InvalidInput, NotFound
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch import (
    commands_bfd,
    commands_bridge,
    commands_conntrack,
    commands_datapath,
    commands_log,
    commands_moving,
    commands_trace,
)
from tulle.vswitch.bridge import Bridge


def register(server: ControlServer, bridges: Mapping[str, Bridge], leave: Callable[[], None]) -> None:
    """Offer all commands; `leave` ends the process."""

    def exit_process(words: list[str]) -> str:
        if words not in ([], ["--cleanup"]):
            raise InvalidInput(f"expected --cleanup or nothing, not {words[0]}")
        leave()
        return ""

    server.register("version", "", lambda _: f"tulle-vswitch (Tulle) {release()}\n")
    server.register("exit", "[--cleanup]", exit_process)
    server.register("ofproto/list", "", lambda _: "".join(f"{name}\n" for name in sorted(bridges)))
    server.register("bridge/dump-flows", "bridge", lambda words: dump_flows(find_bridge(bridges, words[0])))
    server.register("bridge/reconnect", "[bridge]", lambda words: reconnect(bridges, words))
    server.register("drops/show", "[format]", lambda words: show_drops(bridges, words))
    server.register("memory/show", "", lambda _: show_memory(bridges))
    commands_trace.register(server, bridges, find_bridge)
    commands_datapath.register(server, bridges, find_bridge)
    commands_bridge.register(server, bridges, find_bridge)
    commands_conntrack.register(server, bridges)
    commands_moving.register(server, bridges, find_bridge)
    commands_bfd.register(server, bridges)
    commands_log.register(server)


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


def dump_flows(bridge: Bridge) -> str:
    """All flows with counters, a line each."""
    return "".join(
        f"n_packets={packets}, n_bytes={octets}, {text}\n" for text, packets, octets in bridge.switch.flows()
    )


async def reconnect(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """End the connections to controllers; they are made again."""
    for bridge in [find_bridge(bridges, words[0])] if words else list(bridges.values()):
        await bridge.controllers.configure(bridge.settings.controllers, anew=True)
    return ""


def show_drops(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """Lost packets by bridge, reason, port and, where it is known, table; `json` as format is for programs."""
    found = [
        {"bridge": bridge.name, "name": bridge.port_name(drop["port"]) if drop["port"] else "", **drop}
        for bridge in bridges.values()
        for drop in bridge.switch.drops()
    ]
    if words == ["json"]:
        return orjson.dumps(found).decode()
    if words:
        raise InvalidInput(f"format must be json, not {words[0]}")
    return "".join(_shown_drop(one) for one in found)


def _shown_drop(drop: Mapping[str, Any]) -> str:
    place = f"port {drop['name'] or drop['port']}"
    if drop["table"] is not None:
        place += f", table {drop['table']}"
    return f"{drop['bridge']:<16} {drop['reason']:<24} {place}: {drop['packets']}\n"


def show_memory(bridges: Mapping[str, Bridge]) -> str:
    """How much there is of what takes memory; kB are those of the whole process."""
    statistics = [bridge.switch.cache_statistics() for bridge in bridges.values()]
    with open(f"/proc/{os.getpid()}/statm") as file:  # noqa: PTH123
        resident_kb = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    pairs = {
        "bridges": len(bridges),
        "cache-entries": sum(one["entries"] for one in statistics),
        "ofconns": sum(len(bridge.switch.sessions()) for bridge in bridges.values()),
        "ports": sum(len(bridge.ports) for bridge in bridges.values()),
        "resident-kB": resident_kb,
        "rules": sum(one["flows"] for one in statistics),
    }
    return " ".join(f"{name}:{count}" for name, count in pairs.items()) + "\n"
