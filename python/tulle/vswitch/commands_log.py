"""`vlog/list` and `vlog/set`: how much the process logs.  All modules share one level here."""

from __future__ import annotations

import logging

import structlog

from tulle.errors import InvalidInput
from tulle.ovsdb.unixctl import ControlServer

LEVELS = {
    "off": logging.CRITICAL + 10,
    "emer": logging.CRITICAL,
    "err": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "dbg": logging.DEBUG,
}
DESTINATIONS = ("console", "syslog", "file")
_chosen = {"console": "info", "syslog": "off", "file": "off"}


def register(server: ControlServer) -> None:
    """Offer the commands."""
    server.register("vlog/list", "", lambda _: show_levels())
    server.register("vlog/set", "[spec]...", set_levels)
    server.register("vlog/reopen", "", lambda _: "")


def show_levels() -> str:
    """The table that `ovs-appctl vlog/list` prints."""
    head = "                 console    syslog    file\n                 -------    ------    ------\n"
    levels = [_chosen[place].upper() for place in DESTINATIONS]
    return head + f"{'vswitchd':<16}  {levels[0]:>4}       {levels[1]:>4}       {levels[2]:>4}\n"


def set_levels(words: list[str]) -> str:
    """Take `[MODULE][:DESTINATION][:LEVEL]`, as ovs-appctl(8) has it; raises `InvalidInput`."""
    wanted = dict(_chosen)
    for word in words or ["any:any:dbg"]:
        wanted |= _parsed(word)
    _chosen.update(wanted)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(LEVELS[_chosen["console"]]))
    return ""


def _parsed(word: str) -> dict[str, str]:
    parts = [part.lower() for part in word.replace(",", ":").split(":") if part]
    if parts and parts[0] in ("pattern", "facility"):
        return {}
    levels = [part for part in parts if part in LEVELS]
    places = [part for part in parts if part in DESTINATIONS] or list(DESTINATIONS[:1])
    others = [part for part in parts if part not in LEVELS and part not in DESTINATIONS and part != "any"]
    if len(levels) > 1 or len(others) > 1 or not parts:
        raise InvalidInput(
            f"expected MODULE:DESTINATION:LEVEL with a level of {', '.join(LEVELS)}, got {word!r}"
        )
    return dict.fromkeys(places, levels[0] if levels else "dbg")
