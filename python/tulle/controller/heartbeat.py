"""Which agents were heard of lately.  An agent raises its node's `heartbeat` every few seconds; only the
controller's clock counts, so nodes need not agree on the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tulle.ovsdb import Change

from .stores import Rows

SILENCE_S: Final = 10.0


class Heartbeats:
    """Notes when each node's row changed last; `clock` gives seconds."""

    def __init__(self, state: Rows, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}
        self.stop = state.subscribe(self._note)

    def connected(self, node: str) -> bool:
        """Whether the agent of a node was heard of within `SILENCE_S`."""
        return self._clock() - self._heard.get(node, float("-inf")) < SILENCE_S

    def _note(self, changes: list[Change]) -> None:
        for change in changes:
            if change.table != "Node":
                continue
            if change.new is not None:
                self._heard[change.new["name"]] = self._clock()
            elif change.old is not None:
                self._heard.pop(change.old["name"], None)
