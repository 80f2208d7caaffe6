"""`dpif/*`, `dpctl/*`, `upcall/show` and `coverage/show`: ports, caches and counters as `ovs-appctl` shows them.

Open vSwitch has one datapath under all bridges of a type; here each bridge has its own.  It is shown as one
whose port numbers are the bridge's.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from tulle.errors import NotFound
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.bridge import Bridge
from tulle.vswitch.configuration import LOCAL_PORT, Device, PortState

DATAPATH = "netdev@ovs-netdev"
SAMPLES = 3600
WINDOWS_S = (5, 60, 3600)
Bridges = Mapping[str, Bridge]
Finder = Callable[[Bridges, str], Bridge]


def register(server: ControlServer, bridges: Bridges, find: Finder) -> None:
    """Offer the commands."""

    def chosen(words: list[str]) -> list[Bridge]:
        names = [word for word in words if not word.startswith("-") and word != DATAPATH]
        return [find(bridges, name) for name in names] if names else list(bridges.values())

    coverage = Coverage(bridges)
    server.register("dpif/show", "", lambda _: show_interfaces(bridges))
    server.register("dpif/dump-flows", "[-m] bridge", lambda words: dump_cache(chosen(words)))
    server.register("dpctl/show", "[-s] [datapath]", lambda words: show_datapaths(chosen(words)))
    server.register("dpctl/dump-dps", "", lambda _: f"{DATAPATH}\n" if bridges else "")
    server.register(
        "dpctl/dump-flows", "[-m] [datapath] [filter]...", lambda words: dump_cache(chosen(words[:1]))
    )
    server.register("upcall/show", "", lambda _: show_upcalls(bridges))
    server.register("coverage/show", "", lambda _: coverage.show())
    server.register("coverage/read-counter", "counter", lambda words: coverage.read(words[0]))
    server.register("ofproto/list-tunnels", "", lambda _: list_tunnels(bridges))


def dump_cache(chosen: list[Bridge]) -> str:
    """The cached verdicts, a line each."""
    return "".join(f"{line}\n" for bridge in chosen for line in bridge.switch.dump_cache())


def show_interfaces(bridges: Bridges) -> str:
    """Bridges with their ports: name, OpenFlow number / datapath number, type."""
    lines = [_lookups(list(bridges.values()))]
    for bridge in sorted(bridges.values(), key=lambda one: one.name):
        lines.append(f"  {bridge.name}:")
        for name, port in sorted(bridge.ports.items()):
            if port.error is None:
                inside = "none" if port.device.kind == "patch" else str(port.number)
                lines.append(f"    {name} {port.number}/{inside}: {_kind(port)}")
    return "\n".join(lines) + "\n"


def show_datapaths(chosen: list[Bridge]) -> str:
    """Counters of the caches and the ports."""
    statistics = [bridge.switch.cache_statistics() for bridge in chosen]
    total = {name: sum(one[name] for one in statistics) for name in ("hits", "misses", "entries", "masks")}
    packets = max(total["hits"] + total["misses"], 1)
    lines = [
        f"{DATAPATH}:",
        f"  lookups: hit:{total['hits']} missed:{total['misses']} lost:0",
        f"  flows: {total['entries']}",
        f"  masks: total:{total['masks']} hit:{total['hits']} hit/pkt:{total['hits'] / packets:.2f}",
    ]
    for bridge in chosen:
        for name, port in sorted(bridge.ports.items()):
            if port.error is None and port.device.kind != "patch":
                lines.append(f"  port {port.number}: {name} {_kind(port)}".rstrip())
    return "\n".join(lines) + "\n"


def show_upcalls(bridges: Bridges) -> str:
    """How full the flow cache is."""
    statistics = [bridge.switch.cache_statistics() for bridge in bridges.values()]
    entries = sum(one["entries"] for one in statistics)
    limit = sum(one["limit"] for one in statistics)
    missed = sum(one["misses"] for one in statistics)
    return (
        f"{DATAPATH}:\n  flows         : (current {entries}) (limit {limit})\n"
        f"  upcalls       : {missed}\n  ufid enabled : true\n"
    )


def list_tunnels(bridges: Bridges) -> str:
    """Tunnel ports: number, name, encapsulation and addresses."""
    lines = []
    for bridge in bridges.values():
        for name, port in sorted(bridge.ports.items()):
            if port.device.kind == "tunnel":
                device = port.device
                way = f"{device.encapsulation}: {device.local or '::'}->{device.remote}, {_keys(device)}"
                lines.append(f"port {port.number}: {name} ({way}, dp port={port.number})\n")
    return "".join(lines)


class Coverage:
    """Counters, and how fast they rise; samples are taken when somebody looks."""

    def __init__(self, bridges: Bridges) -> None:
        self._bridges = bridges
        self._samples: deque[tuple[float, dict[str, int]]] = deque(maxlen=SAMPLES)

    def show(self) -> str:
        """A line for each counter, as `ovs-appctl coverage/show` has them."""
        now, counters = time.monotonic(), self._counters()
        self._samples.append((now, counters))
        lines = ["Event coverage, avg rate over last: 5 seconds, last minute, last hour:"]
        for name, total in sorted(counters.items()):
            rates = [self._rate(name, total, now, window) for window in WINDOWS_S]
            shown = f"{rates[0]:>6.1f}/sec {rates[1]:>9.3f}/sec {rates[2]:>13.4f}/sec"
            lines.append(f"{name:<24} {shown}   total: {total}")
        return "\n".join(lines) + "\n"

    def read(self, name: str) -> str:
        """One counter; raises `NotFound`."""
        counters = self._counters()
        if name not in counters:
            raise NotFound(f"no counter {name}; there are {', '.join(sorted(counters))}")
        return f"{counters[name]}\n"

    def _rate(self, name: str, total: int, now: float, window_s: int) -> float:
        for then, counters in self._samples:
            if now - then <= window_s:
                return (total - counters.get(name, 0)) / max(now - then, 1.0)
        return 0.0

    def _counters(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for bridge in self._bridges.values():
            for name, count in bridge.switch.cache_statistics().items():
                key = f"flow_cache_{name}"
                found[key] = found.get(key, 0) + count
            for drop in bridge.switch.drops():
                key = f"drop_{drop['reason'].replace('-', '_')}"
                found[key] = found.get(key, 0) + drop["packets"]
            for one in bridge.switch.telemetry_statistics():
                for what in ("evicted", "sent", "unsent"):
                    key = f"{one['exporter'].replace('-', '_')}_{what}"
                    found[key] = found.get(key, 0) + one[what]
        return found


def _keys(device: Device) -> str:
    """Both keys, or one where they are the same; none is 0."""
    inwards, outwards = device.tunnel.in_key or 0, device.tunnel.out_key or 0
    return f"key={inwards}" if inwards == outwards else f"in_key={inwards}, out_key={outwards}"


def _lookups(chosen: list[Bridge]) -> str:
    statistics = [bridge.switch.cache_statistics() for bridge in chosen]
    hits, misses = sum(one["hits"] for one in statistics), sum(one["misses"] for one in statistics)
    return f"{DATAPATH}: hit:{hits} missed:{misses}"


def _kind(port: PortState) -> str:
    device = port.device
    if device.kind == "tunnel":
        return f"({device.encapsulation}: remote_ip={device.remote})"
    if device.kind == "patch":
        return f"(patch: peer={device.peer})"
    if port.number == LOCAL_PORT or device.kind in ("internal", "tap"):
        return "(tap)"
    return "(system)"
