"""Leads the nodes from one version of a network to the next, step by step, as `control/turns.py` says.

What is reached stands in `Tulle_State`, so a controller that dies leaves nothing half done for the next one.
Only how long a step has been waited for is not kept: a new controller waits anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from tulle import store
from tulle.control import Wanted, advance_turn, is_turning
from tulle.errors import TulleError
from tulle.ovsdb import Change
from tulle.store import Writer
from tulle.values import Turn

from .stores import Store

_logger = structlog.get_logger(__name__)
PATIENCE_S: Final = 10.0
"""How long a step waits for a node; then the others go on without it."""
RETRY_S: Final = 0.5
Step = tuple[Turn, int]


class Turning:
    """Keeps the turns of all networks; `clock` gives seconds."""

    def __init__(
        self, intent: Store, state: Store, clock: Callable[[], float], patience_s: float = PATIENCE_S
    ) -> None:
        self._intent, self._state = intent, state
        self._clock, self._patience_s = clock, patience_s
        self._since: dict[str, tuple[Step, float]] = {}
        self._ends: list[Callable[[], None]] = []
        self.due = asyncio.Event()

    def start(self) -> None:
        """Notice from now on when there is something to do; the first time is at once."""
        self.due.set()
        self._ends = [self._intent.subscribe(self._note), self._state.subscribe(self._note)]

    def stop(self) -> None:
        """Notice nothing any more."""
        for end in self._ends:
            end()
        self._ends = []

    async def run(self) -> None:
        """Go on whenever nodes have done something, or have had the time to."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._remaining_s()):
                    await self.due.wait()
            if not await self.catch_up():
                await asyncio.sleep(RETRY_S)

    async def catch_up(self) -> bool:
        """Take the steps that can be taken now; False when it has to be tried again."""
        self.due.clear()
        writer = Writer(self._state.schema)
        try:
            store.write_turns(writer, store.source(self._state), self._turns())
            if writer.operations:
                await self._state.transact(writer.operations)
            return True
        except (TulleError, OSError) as error:
            _logger.error("cannot lead networks to their next version", error=str(error))
        except Exception:
            # A client's rows may be stranger than foreseen; that client's connection is not to blame.
            _logger.exception("cannot lead networks to their next version")
        self.due.set()
        return False

    def _turns(self) -> dict[str, Turn]:
        """As they are to be now; a network that has its first version alone has none."""
        current = store.turns(store.source(self._state))
        found: dict[str, Turn] = {}
        wanted = store.versions(store.source(self._intent))
        self._since = {name: step for name, step in self._since.items() if name in wanted}
        for name, version in wanted.items():
            turn = current.get(name, Turn())
            if is_turning(turn, version):
                turn = self._advanced(name, turn, version)
            else:
                self._since.pop(name, None)
            if turn != Turn():
                found[name] = turn
        return found

    def _advanced(self, name: str, turn: Turn, version: int) -> Turn:
        state = store.source(self._state)
        reports = store.version_reports(state)
        wanted = Wanted(version, self._nodes_of(name) & reports.keys())
        step = (Turn(turn.stamped, turn.former), version)
        if name not in self._since or self._since[name][0] != step:
            self._since[name] = (step, self._clock())
        is_late = self._clock() - self._since[name][1] >= self._patience_s
        late = wanted.nodes if is_late else store.mute_nodes(state)
        made = advance_turn(turn, wanted, reports, name, late)
        if new := made.behind.keys() - turn.behind.keys():
            _logger.warning("nodes are left behind", network=name, nodes=sorted(new), version=version)
        return made

    def _nodes_of(self, name: str) -> frozenset[str]:
        """The nodes that have a network, or should."""
        intent, state = store.source(self._intent), store.source(self._state)
        asked = {row["node"] for row in intent("Logical_Port") if row["network"] == name}
        bound = {row["node"] for row in state("Binding") if row["network"] == name}
        having = {node for node, applied in store.applied(state).items() if name in applied}
        return frozenset(asked | bound | having) - {None}

    def _remaining_s(self) -> float | None:
        """Until the next node has had its time; None while nobody is waited for."""
        ends = [since + self._patience_s for _, since in self._since.values()]
        coming = [end for end in ends if end > self._clock()]
        return max(0.0, min(coming) - self._clock()) if coming else None

    def _note(self, changes: list[Change]) -> None:
        if any(_matters(change, is_turning=bool(self._since)) for change in changes):
            self.due.set()


def _matters(change: Change, *, is_turning: bool) -> bool:
    if change.table == "Network":
        return change.old is None or change.new is None or change.old["version"] != change.new["version"]
    if change.table == "Turn":
        return True
    return is_turning and change.table in ("Node", "Binding", "Logical_Port")
