"""`bfd/*`: the health of tunnels, as `ovs-appctl` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from tulle._native import NativeError
from tulle.errors import InvalidInput, NotFound
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.bridge import Bridge

T = TypeVar("T")
FORCED = {"true": True, "false": False, "normal": None}


def register(server: ControlServer, bridges: Mapping[str, Bridge]) -> None:
    """Offer the commands."""
    server.register("bfd/show", "[interface]", lambda words: show(bridges, words))
    usage = "[interface] normal|false|true"
    server.register("bfd/set-forwarding", usage, lambda words: set_forwarding(bridges, words))


def show(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """The sessions, or that of one interface."""
    found = {name: session for name, _, _, session in _sessions(bridges)}
    if words:
        return _shown(_of(found, words[0]))
    return "".join(f"---- {name} ----\n{_shown(found[name])}" for name in sorted(found))


def set_forwarding(bridges: Mapping[str, Bridge], words: list[str]) -> str:
    """Have an interface, or all that have a session, forward or not, whatever the sessions say."""
    name, said = words if len(words) == len(("interface", "state")) else (None, words[-1] if words else "")
    if said not in FORCED:
        raise InvalidInput(f"expected normal, false or true, not {said!r}")
    found = {each: (bridge, number) for each, bridge, number, _ in _sessions(bridges)}
    for bridge, number in [_of(found, name)] if name is not None else list(found.values()):
        try:
            bridge.switch.force_forwarding(number, FORCED[said])
        except NativeError as error:
            raise NotFound(str(error)) from error
    return "OK\n"


def _of(found: Mapping[str, T], name: str) -> T:
    if name not in found:
        raise NotFound(f"no BFD session on {name}; there are {', '.join(sorted(found)) or 'none'}")
    return found[name]


def _sessions(bridges: Mapping[str, Bridge]) -> Iterator[tuple[str, Bridge, int, Mapping[str, Any]]]:
    for bridge in bridges.values():
        for number, session in bridge.switch.health().items():
            yield bridge.port_name(number), bridge, number, session


def _shown(session: Mapping[str, Any]) -> str:
    local, remote = session["local"], session["remote"]
    lines = [
        f"Forwarding: {_word(session['forwarding'])}",
        f"Detect Multiplier: {session['multiplier']}",
        f"Concatenated Path Down: {_word(session['cpath_down'])}",
        f"TX Interval: Approx {session['tx_interval_ms']}ms",
        f"RX Interval: Approx {session['rx_interval_ms']}ms",
        *_moment("Detect Time", session["detects_in_ms"]),
        *_moment("Next TX Time", session["sends_in_ms"]),
        *_moment("Last TX Time", session["sent_in_ms"]),
        "",
        *_end("Local", local),
        "",
        *_end("Remote", remote),
        f"Remote Detect Multiplier: {remote['multiplier']}",
    ]
    return "".join(f"\t{line}\n" if line else "\n" for line in [*lines, ""])


def _end(name: str, end: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} Flags: {' '.join(end['flags']) or 'none'}",
        f"{name} Session State: {end['state']}",
        f"{name} Diagnostic: {end['diagnostic']}",
        f"{name} Discriminator: 0x{end['discriminator']:x}",
        f"{name} Minimum TX Interval: {end['min_tx_ms']}ms",
        f"{name} Minimum RX Interval: {end['min_rx_ms']}ms",
    ]


def _moment(name: str, in_ms: int | None) -> list[str]:
    return [] if in_ms is None else [f"{name}: now {in_ms:+d}ms"]


def _word(value: bool) -> str:
    return str(value).lower()
