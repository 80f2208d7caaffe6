"""The last flows, groups and meters on disk: a switch process that starts again has them before it opens its ports.

A file a bridge, written anew and renamed after changes; between two writes passes ten times what the last one
took, so that large tables that change all the time cost little.  Counters and ages are not saved.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import structlog

from tulle._native import NativeError, Switch
from tulle.vswitch.configuration import BridgeState

POLL_S = 0.25
REST = 10
_states = msgspec.json.Decoder(list[BridgeState])
_logger = structlog.get_logger(__name__)


class SavedFlows:
    """`directory` holds the files.  Those that are there at first are restored once, by `restore`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._states = directory / "bridges.json"
        self._saved_states = b""
        self._writing = threading.Lock()
        self._waiting = {path.stem for path in directory.glob("*.flows")}
        self._versions: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

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
            temporary = self._states.with_suffix(".new")
            temporary.write_bytes(data)
            temporary.rename(self._states)
            self._saved_states = data

    def restore(self, name: str, switch: Switch) -> bool:
        """Add the saved flows, groups and meters to a bridge that starts with this process; False if there are none."""
        if name not in self._waiting:
            return False
        self._waiting.discard(name)
        try:
            loaded = switch.load_flows(self._path(name))
        except NativeError as error:
            _logger.error("flows not restored", bridge=name, error=str(error))
            return False
        for problem in loaded["problems"]:
            _logger.error("not restored", bridge=name, problem=problem)
        _logger.info(
            "flows restored", bridge=name, **{key: loaded[key] for key in ("flows", "others", "refused")}
        )
        self._versions[name] = switch.version
        return True

    def forget(self, name: str) -> None:
        """A bridge is deleted."""
        self._waiting.discard(name)
        self._versions.pop(name, None)
        self._path(name).unlink(missing_ok=True)

    async def run(self, switches: Mapping[str, Switch]) -> None:
        """Save what changes, for ever."""
        while True:
            await asyncio.sleep(POLL_S)
            for name, switch in list(switches.items()):
                if time.monotonic() >= self._not_before.get(name, 0.0):
                    await asyncio.to_thread(self.save, name, switch)

    def save(self, name: str, switch: Switch) -> None:
        """Write a bridge's flows, groups and meters if they have changed."""
        with self._writing:
            self._save(name, switch)

    def _save(self, name: str, switch: Switch) -> None:
        started = time.monotonic()
        try:
            version = switch.version
            if self._versions.get(name) == version:
                return
            temporary = self._path(name).with_suffix(".new")
            switch.save_flows(temporary)
            temporary.rename(self._path(name))
        except (NativeError, OSError) as error:
            _logger.warning("flows not saved", bridge=name, error=str(error))
            return
        self._versions[name] = version
        self._not_before[name] = time.monotonic() + REST * (time.monotonic() - started)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.flows"
