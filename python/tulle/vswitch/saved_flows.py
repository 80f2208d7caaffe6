"""The last flows, groups and meters on disk: a switch process that starts again has them before it opens its ports.

A file a bridge, written anew and renamed, and beside it journals, to which the native switch appends what sessions
change before it answers.  A save begins another journal, and makes those before it superfluous.  It is due when a
journal has become long, or when something has changed that is in no journal (what flows learn, addresses); then passes
ten times what the last save took, so that large tables that change all the time cost little.
Counters and ages are not saved.

Where the disk is full, changes are acknowledged all the same: `problem` says so, and saves are tried until one
succeeds, after which nothing is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

from tulle._native import NativeError, Switch
from tulle.vswitch.configuration import BridgeState
from tulle.vswitch.underlay import SavedUnderlay

POLL_S = 0.25
REST = 10
RETRY_S = 1.0
"""Least time between a save that failed and the next."""
LONG_JOURNAL_BYTES = 4 << 20
"""So much longer than the saved tables a journal may become before another save makes it superfluous."""
LEAST_JOURNAL_BYTES = 16
"""One in which nothing stands."""
_states = msgspec.json.Decoder(list[BridgeState])
_underlays = msgspec.json.Decoder(SavedUnderlay)
_logger = structlog.get_logger(__name__)


class SavedFlows:
    """`directory` holds the files.  Those that are there at first are restored once, by `restore`.

    `on_change` is called in `run`'s loop when a bridge has another `problem`.
    """

    def __init__(self, directory: Path, on_change: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._on_change = on_change
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._states = directory / "bridges.json"
        self._saved_states = b""
        self._underlay = directory / "underlay.json"
        self._saved_underlay: SavedUnderlay | None = None
        self._writing = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._waiting = {path.stem for path in directory.glob("*.flows")} | {
            name for name, _, _ in self._all_journals()
        }
        self._not_before: dict[str, float] = {}
        self._problems: dict[str, str] = {}

    def problem(self, name: str) -> str | None:
        """Why a bridge's flows would not all outlive its process."""
        return self._problems.get(name)

    def underlay(self) -> SavedUnderlay | None:
        """What carried tunnels last, if that is known."""
        try:
            return _underlays.decode(self._underlay.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _logger.warning("tunnels not resumed", error=str(error))
            return None

    def save_underlay(self, underlay: SavedUnderlay) -> None:
        """Say what carries tunnels, for the process after this one."""
        if underlay != self._saved_underlay:
            _replace(self._underlay, msgspec.json.encode(underlay))
            self._saved_underlay = underlay

    def states(self) -> list[BridgeState]:
        """The bridges that the process before this one had, or none if it did not say so."""
        try:
            return _states.decode(self._states.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            _logger.warning("bridges not resumed", error=str(error))
            return []

    def save_states(self, states: Iterable[BridgeState]) -> None:
        """Say which bridges and ports there are, for the process after this one."""
        data = msgspec.json.encode(list(states))
        if data != self._saved_states:
            try:
                _replace(self._states, data)
            except OSError as error:
                # What is configured goes on; it is tried again with the next configuration.
                _logger.warning("bridges not saved", error=str(error))
                return
            self._saved_states = data

    def restore(self, name: str, switch: Switch) -> bool:
        """Add the saved flows, groups and meters to a bridge that starts with this process; False if there are none.

        What its sessions change from now on is written down.
        """
        is_restored = self._load(name, switch) if name in self._waiting else False
        if name not in self._waiting:
            self._remove(name)
        self._waiting.discard(name)
        number = max((number for number, _ in self._journals(name)), default=0) + 1
        try:
            switch.begin_journal(self._journal(name, number))
        except NativeError as error:
            self._note(name, str(error))
        self._numbers[name] = number
        return is_restored

    def _load(self, name: str, switch: Switch) -> bool:
        path = self._path(name)
        try:
            loaded = switch.load_flows(path if path.exists() else None, self._journals(name))
        except NativeError as error:
            _logger.error("flows not restored", bridge=name, error=str(error))
            return False
        for problem in loaded["problems"]:
            _logger.error("not restored", bridge=name, problem=problem)
        counts = {key: loaded[key] for key in ("flows", "others", "changes", "refused")}
        _logger.info("flows restored", bridge=name, **counts)
        return True

    def forget(self, name: str) -> None:
        """A bridge is deleted."""
        self._waiting.discard(name)
        self._numbers.pop(name, None)
        self._problems.pop(name, None)
        self._remove(name)

    def _remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)
        for _, path in self._journals(name):
            path.unlink(missing_ok=True)

    async def run(self, switches: Mapping[str, Switch]) -> None:
        """Save what changes, for ever."""
        while True:
            await asyncio.sleep(POLL_S)
            for name, switch in list(switches.items()):
                if time.monotonic() >= self._not_before.get(name, 0.0):
                    before = self.problem(name)
                    await asyncio.to_thread(self.save, name, switch)
                    if self.problem(name) != before:
                        self._on_change()

    def save(self, name: str, switch: Switch, *, is_last: bool = False) -> None:
        """Write a bridge's flows, groups and meters if that is due; at last, also what only the journal has, whose
        form another version may not know."""
        with self._writing:
            self._save(name, switch, LEAST_JOURNAL_BYTES if is_last else LONG_JOURNAL_BYTES)

    def _save(self, name: str, switch: Switch, long_bytes: int) -> None:
        started = time.monotonic()
        try:
            if not self._is_due(name, switch, long_bytes):
                self._note(name, None)
                return
            self._write(name, switch)
        except (NativeError, OSError) as error:
            self._note(name, str(error))
            self._clear(name)
            self._not_before[name] = time.monotonic() + max(RETRY_S, REST * (time.monotonic() - started))
            return
        self._note(name, None)
        self._not_before[name] = time.monotonic() + REST * (time.monotonic() - started)

    def _write(self, name: str, switch: Switch) -> None:
        number = self._numbers.get(name, 0) + 1
        temporary = self._path(name).with_suffix(".new")
        self._numbers[name] = number
        switch.save_flows(temporary, (number, self._journal(name, number)))
        temporary.rename(self._path(name))
        switch.note_saved()
        for old, path in self._journals(name):
            if old < number:
                path.unlink(missing_ok=True)

    def _clear(self, name: str) -> None:
        """Leave the room of a save that failed to others; also a journal for which there was none."""
        with contextlib.suppress(OSError):
            self._path(name).with_suffix(".new").unlink(missing_ok=True)
            for _, path in self._journals(name):
                if path.stat().st_size == 0:
                    path.unlink(missing_ok=True)

    def _note(self, name: str, problem: str | None) -> None:
        """Say once that changes are not written down, and once that they are again."""
        if problem is None:
            if self._problems.pop(name, None) is not None:
                _logger.info("changes written down again", bridge=name)
        elif problem != self._problems.get(name):
            self._problems[name] = problem
            _logger.error("changes not written down", bridge=name, error=problem)

    def _is_due(self, name: str, switch: Switch, long_bytes: int) -> bool:
        journal_bytes, others, problem = switch.unsaved()
        if problem is not None:
            self._note(name, problem)
        return (
            others or problem is not None or journal_bytes > long_bytes + self._saved_bytes(name, long_bytes)
        )

    def _saved_bytes(self, name: str, long_bytes: int) -> int:
        path = self._path(name)
        return path.stat().st_size if long_bytes > LEAST_JOURNAL_BYTES and path.exists() else 0

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.flows"

    def _journal(self, name: str, number: int) -> Path:
        return self._directory / f"{name}.{number}.journal"

    def _journals(self, name: str) -> list[tuple[int, Path]]:
        return sorted((number, path) for own, number, path in self._all_journals() if own == name)

    def _all_journals(self) -> Iterator[tuple[str, int, Path]]:
        for path in self._directory.glob("*.journal"):
            name, _, number = path.stem.rpartition(".")
            if name and number.isdecimal():
                yield name, int(number), path


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(data)
    temporary.rename(path)
