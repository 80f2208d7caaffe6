"""`tulle/ct-export` and `tulle/ct-import`: connections of one zone, on their way to another switch.

The text is JSON, `{"version": 1, "connections": [LINE, ...]}`; a line is what `crates/conntrack/src/record.rs` writes.
What is imported came from another machine: nothing of it is taken before all of it has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

import orjson

from tulle._native import NativeError, export_connections, import_connections
from tulle.errors import InvalidInput
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.bridge import Bridge

VERSION = 1
MOST = 2000
"""Connections in one answer or request: with the longest lines it still fits into a request of the control socket."""
MOST_LENIENT_MS = 60_000
Find = Callable[[Mapping[str, Bridge], str], Bridge]


def register(server: ControlServer, bridges: Mapping[str, Bridge], find: Find) -> None:
    """Offer the commands."""
    server.register(
        "tulle/ct-export",
        "bridge zone lenient-ms [address]...",
        lambda words: export(find(bridges, words[0]), words[1:]),
    )
    server.register(
        "tulle/ct-import",
        "bridge zone lenient-ms connections",
        lambda words: import_(find(bridges, words[0]), *words[1:]),
    )


def export(bridge: Bridge, words: list[str]) -> str:
    """The connections of a zone that have one of the addresses at an end; all of it without any.

    For so many milliseconds their windows follow here too what the other switch may see.
    """
    zone, lenient_ms = _number(words[0], 0xFFFF), _number(words[1], MOST_LENIENT_MS)
    addresses = [_address(word) for word in words[2:]]
    lines = export_connections(bridge.switch, zone, addresses, MOST, lenient_ms)
    return orjson.dumps({"version": VERSION, "connections": lines}).decode()


def import_(bridge: Bridge, zone: str, lenient_ms: str, text: str) -> str:
    """Take connections over; says how many were new, known and refused.  Raises `InvalidInput`."""
    lines = parse(text)
    patience_ms = _number(lenient_ms, MOST_LENIENT_MS)
    try:
        done = import_connections(bridge.switch, _number(zone, 0xFFFF), lines, patience_ms)
    except NativeError as error:
        raise InvalidInput(f"connections not imported: {error}") from None
    return orjson.dumps(dict(zip(("added", "updated", "refused"), done, strict=True))).decode()


def parse(text: str) -> list[str]:
    """The lines of a text that is well formed and not too long."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"connections are no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise InvalidInput(f"expected connections of version {VERSION}")
    lines = found.get("connections")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise InvalidInput("expected a list of lines, one for each connection")
    if len(lines) > MOST:
        raise InvalidInput(f"expected at most {MOST} connections, got {len(lines)}")
    return lines


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) > most:
        raise InvalidInput(f"expected a number from 0 to {most}, got {text[:20]!r}")
    return int(text)


def _address(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError("a scope means nothing here")
        return str(ip_address(text))
    except ValueError:
        raise InvalidInput(f"expected an address, got {text[:60]!r}") from None
