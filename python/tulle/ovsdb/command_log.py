"""Where a process's log goes: standard error and a file, each with its level, in the form that ovs-appctl(8) has.

Levels are given as in `-v` and `vlog/set`: [MODULE:][DESTINATION:]LEVEL.  Modules are not told apart.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import structlog

from tulle.errors import InvalidInput, Unavailable

LEVELS = {
    "off": 100,
    "emer": logging.CRITICAL,
    "err": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "dbg": logging.DEBUG,
}
_DESTINATIONS = ("console", "file", "syslog")
_NAMES = {"critical": "EMER", "error": "ERR", "warning": "WARN", "info": "INFO", "debug": "DBG"}
_METHODS = {
    "critical": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "exception": logging.ERROR,
    "error": logging.ERROR,
    "err": logging.ERROR,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "msg": logging.INFO,
    "debug": logging.DEBUG,
}


class ProcessLog:
    """The log of this process; `install` makes structlog write to it."""

    def __init__(self, name: str, path: Path | None = None) -> None:
        self.levels = {"console": logging.INFO, "file": logging.INFO, "syslog": LEVELS["off"]}
        self._name = name
        self._path = path
        self._file: TextIO | None = None
        self._lines = 0

    def install(self) -> None:
        """Open the file and take everything that is logged; raises `Unavailable`."""
        self.reopen()
        self._configure()

    def reopen(self) -> None:
        """Open the file anew, for those who move it away; raises `Unavailable`."""
        if self._path is None:
            return
        try:
            opened = self._path.open("a", buffering=1, encoding="utf-8")
        except OSError as error:
            raise Unavailable(f"cannot open the log file {self._path}: {error.strerror}") from error
        if self._file is not None:
            self._file.close()
        self._file = opened

    def set_level(self, spec: str) -> None:
        """Follow one [MODULE:][DESTINATION:]LEVEL; raises `InvalidInput`."""
        words = [word for word in re.split(r"[ ,:]+", spec) if word]
        if words and words[0].upper() in ("PATTERN", "FACILITY"):
            return
        lower = [word.lower() for word in words]
        destinations = [word for word in lower if word in _DESTINATIONS] or list(_DESTINATIONS)
        level = [word for word in lower if word in LEVELS] or (["dbg"] if len(words) < 2 else [])
        if len(level) != 1 or len(words) > 3:
            raise InvalidInput(f"expected [MODULE:][DESTINATION:]LEVEL with a LEVEL of {', '.join(LEVELS)}")
        for destination in destinations:
            self.levels[destination] = LEVELS[level[0]]
        self._configure()

    def describe(self) -> str:
        """The levels, as `vlog/list` shows them."""
        names = {number: name.upper() for name, number in LEVELS.items()}
        shown = [names[self.levels[one]] for one in ("console", "syslog", "file")]
        head = "                 console    syslog    file\n                 -------    ------    ------\n"
        return head + f"{self._name:<17}" + "".join(f"{one:<11}" for one in shown).rstrip() + "\n"

    def _configure(self) -> None:
        lowest = min(self.levels["console"], self.levels["file"] if self._file else LEVELS["off"])
        structlog.configure(
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
                structlog.processors.format_exc_info,
                self._render,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(min(lowest, logging.CRITICAL)),
            logger_factory=lambda *_names: self,
        )

    def _render(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        self._lines += 1
        level = _NAMES.get(event.pop("level", ""), "INFO")
        exception = event.pop("exception", "")
        head = f"{event.pop('timestamp')}|{self._lines:05}|{self._name}|{level}|{event.pop('event')}"
        pairs = ", ".join(f"{key}={value}" for key, value in event.items())
        return head + (f": {pairs}" if pairs else "") + (f"\n{exception}" if exception else "")

    def __getattr__(self, method: str) -> Callable[[str], None]:
        """The methods that structlog calls, named like levels."""
        if method not in _METHODS:
            raise AttributeError(method)
        return partial(self._write, _METHODS[method])

    def _write(self, level: int, line: str) -> None:
        if level >= self.levels["console"]:
            print(line, file=sys.stderr, flush=True)
        if self._file is not None and level >= self.levels["file"]:
            self._file.write(line + "\n")
