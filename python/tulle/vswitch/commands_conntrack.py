"""`dpctl/*-conntrack` and its limits.  Each bridge tracks connections by itself; what is changed is so in all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tulle.errors import InvalidInput
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.bridge import Bridge

MOST_LINES = 1_000_000
Bridges = Mapping[str, Bridge]


def register(server: ControlServer, bridges: Bridges) -> None:
    """Offer the commands; a datapath may be named before their arguments."""

    def offer(name: str, usage: str, action: Callable[[Bridges, list[str]], str]) -> None:
        server.register(
            name, f"[-m] [-s] [datapath] {usage}".rstrip(), lambda words: action(bridges, _own(words))
        )

    offer("dpctl/dump-conntrack", "[zone=N]", dump)
    offer("dpctl/flush-conntrack", "[zone=N] [ct-tuple]...", flush)
    offer("dpctl/ct-stats-show", "[zone=N] [verbose]", show_statistics)
    offer("dpctl/ct-get-nconns", "", lambda all_, _: f"{_sum(all_, 'current')}\n")
    offer("dpctl/ct-get-maxconns", "", lambda all_, _: f"{_first(all_, 'limit')}\n")
    offer("dpctl/ct-set-maxconns", "[count]", set_most)
    offer("dpctl/ct-set-limits", "[limit]...", set_limits)
    offer("dpctl/ct-get-limits", "[zone=N]", show_limits)
    offer("dpctl/ct-del-limits", "[zone=N]...", remove_limits)


def dump(bridges: Bridges, words: list[str]) -> str:
    """All connections, a line each."""
    zone = _zone(words[0]) if words else None
    lines = [line for bridge in bridges.values() for line in bridge.switch.connections(zone, MOST_LINES)]
    return "".join(f"{line}\n" for line in lines)


def flush(bridges: Bridges, words: list[str]) -> str:
    """Forget connections: all, of a zone, or those that have all parts of `ct_nw_src=…,ct_tp_dst=…`."""
    zone = _zone(words[0]) if words and words[0].startswith("zone=") else None
    texts = [word for word in words if not word.startswith("zone=")]
    parts = [_part(field) for text in texts for field in text.split(",") if field]
    for bridge in bridges.values():
        bridge.switch.flush_connections(zone, [part for part in parts if part])
    return ""


def show_statistics(bridges: Bridges, words: list[str]) -> str:
    """How many connections there are, by protocol."""
    zone = next((_zone(word) for word in words if word.startswith("zone=")), None)
    lines = [line for bridge in bridges.values() for line in bridge.switch.connections(zone, MOST_LINES)]
    kinds: dict[str, int] = {}
    for line in lines:
        kind = line.split(",", 1)[0].upper()
        kinds[kind] = kinds.get(kind, 0) + 1
    shown = [f"    {kind}: {count}" for kind, count in sorted(kinds.items())]
    return "\n".join(["Connections Stats:", f"    Total: {len(lines)}", *shown]) + "\n"


def set_most(bridges: Bridges, words: list[str]) -> str:
    """The most connections of all zones together."""
    for bridge in bridges.values():
        bridge.switch.set_connection_limit(_number(words[0] if words else ""))
    return "setting maxconns successful\n"


def set_limits(bridges: Bridges, words: list[str]) -> str:
    """`default=N` or `zone=Z,limit=N`, any number of them."""
    for word in words:
        pairs = dict(part.partition("=")[::2] for part in word.split(","))
        zone = None if "default" in pairs else _number(pairs.get("zone", ""), 0xFFFF)
        limit = _number(pairs.get("default", pairs.get("limit", "")), 0xFFFF_FFFF)
        for bridge in bridges.values():
            bridge.switch.set_zone_limit(zone, limit or None)
    return ""


def remove_limits(bridges: Bridges, words: list[str]) -> str:
    """Let the default limit hold for zones: `default`, `zone=1,2`."""
    text = ",".join(words).replace("zone=", "")
    for name in text.split(","):
        zone = None if name == "default" else _number(name, 0xFFFF)
        for bridge in bridges.values():
            bridge.switch.set_zone_limit(zone, None)
    return ""


def show_limits(bridges: Bridges, words: list[str]) -> str:
    """The default limit and those of zones, with what counts against them."""
    wanted = {_number(name, 0xFFFF) for name in words[0].removeprefix("zone=").split(",")} if words else None
    lines: list[str] = []
    for bridge in bridges.values():
        found = bridge.switch.connection_counts()
        counts = dict(found["zones"])
        if not lines:
            lines.append(f"default limit={found['default_limit'] or 0}")
        for zone, limit in sorted(found["limits"]):
            if wanted is None or zone in wanted:
                lines.append(f"zone={zone},limit={limit},count={counts.get(zone, 0)}")
    return "\n".join(lines) + "\n"


def _own(words: list[str]) -> list[str]:
    return [word for word in words if not word.startswith(("-", "netdev@", "system@"))]


def _zone(word: str) -> int:
    return _number(word.removeprefix("zone="), 0xFFFF)


def _number(text: str, most: int = 1 << 31) -> int:
    if not text.isdecimal() or int(text) > most:
        raise InvalidInput(f"expected a number from 0 to {most}, got {text!r}")
    return int(text)


def _part(field: str) -> str:
    """A field of a connection's tuple as a line has it."""
    name, _, value = field.partition("=")
    names = {
        "ct_nw_src": "src",
        "ct_nw_dst": "dst",
        "ct_ipv6_src": "src",
        "ct_ipv6_dst": "dst",
        "ct_tp_src": "sport",
        "ct_tp_dst": "dport",
    }
    if name == "ct_nw_proto":
        return {"6": "tcp,", "17": "udp,", "1": "icmp,", "58": "icmpv6,"}.get(value, "")
    if name not in names or not value:
        raise InvalidInput(f"expected {', '.join(names)} or ct_nw_proto with a value, got {field!r}")
    end = "," if names[name] != "dport" else ""
    return f"{names[name]}={value}{end}"


def _sum(bridges: Bridges, name: str) -> int:
    return sum(bridge.switch.connection_counts()[name] for bridge in bridges.values())


def _first(bridges: Bridges, name: str) -> int:
    return next((bridge.switch.connection_counts()[name] for bridge in bridges.values()), 0)
