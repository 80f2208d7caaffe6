"""The databases on servers of their own, such as a Raft cluster, of which one controller at a time is master.

A controller is active while it owns the lock of `Tulle` at the leader; it then takes the lock of
`Tulle_State` away from whoever has it.  Every transaction asserts its lock, so a controller that does
not know yet that another took over changes nothing.  Locks are per server: hence the leader only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from tulle.errors import TulleError, Unavailable
from tulle.ovsdb import Change, DatabaseSchema, OvsdbError, Replica
from tulle.ovsdb.events import RowEvent, change_of
from tulle.ovsdb.tls import Tls
from tulle.store.writer import HasRows

LOCK: Final = "tulle_controller"
STATE_LOCK: Final = "tulle_controller_state"
PATIENCE_S: Final = 10.0
_UNSURE = frozenset({"cluster error", "not leader"})  # leadership changed on the way: ovsdb-server's words


class Clustered:
    """A database at `remotes`, written under a lock.  While the leader changes, transactions wait."""

    def __init__(self, remotes: str, database: str, lock: str, tls: Tls | None = None) -> None:
        self._lock = lock
        self.replica = Replica(remotes, database, leader_only=True, tls=tls)

    @property
    def schema(self) -> DatabaseSchema:
        """Its schema; raises `Unavailable` before the first connection."""
        return self.replica.schema

    @property
    def owned(self) -> bool:
        """Whether this controller may write."""
        return self.replica.owns(self._lock)

    def table(self, name: str) -> HasRows:
        """The table of this name, as last heard."""
        return self.replica.table(name)

    def subscribe(self, subscriber: Callable[[list[Change]], None]) -> Callable[[], None]:
        """Call `subscriber` with the changes of each commit; the returned function ends that."""

        def tell(events: list[RowEvent]) -> None:
            subscriber([change_of(event) for event in events])

        return self.replica.subscribe(tell)

    async def transact(self, operations: Iterable[Any]) -> list[Any]:
        """Execute operations; acknowledged by a majority of the cluster when this returns."""
        try:
            await self.replica.wait_until(lambda: self.owned, PATIENCE_S)
        except TimeoutError:
            failure = self.replica.failure or "another controller is active"
            raise Unavailable(f"cannot write to the cluster: {failure}") from None
        guard = {"op": "assert", "lock": self._lock}
        durable = {"op": "commit", "durable": True}
        try:
            results = await self.replica.transact([guard, *operations, durable])
        except OvsdbError as error:
            if error.error == "not owner":
                raise Unavailable("another controller has become active") from error
            if error.error in _UNSURE:
                raise Unavailable(f"the cluster did not acknowledge the change: {error}") from error
            raise
        return results[1:-1]


class Mastery:
    """Both databases, and whether this controller is the active one."""

    def __init__(self, remotes: str, tls: Tls | None = None) -> None:
        self.intent = Clustered(remotes, "Tulle", LOCK, tls)
        self.state = Clustered(remotes, "Tulle_State", STATE_LOCK, tls)

    async def follow(self) -> None:
        """Stand in the queue for the first lock, and keep the second one wherever the first is owned."""
        await self.intent.replica.lock(LOCK)
        while True:
            await self.intent.replica.wait_until(lambda: self.intent.owned)
            await self.state.replica.wait_until(lambda: self.state.replica.connected)
            if self.intent.owned and not self.state.owned:
                await self._steal()
            await self._changed()

    async def active(self) -> None:
        """Return when this controller is the active one."""
        while not (self.intent.owned and self.state.owned):
            await self._changed()

    async def passive(self) -> None:
        """Return when it is active no longer, and will not be again at once: another one has the lock."""
        while True:
            await self.intent.replica.wait_until(lambda: self.intent.replica.connected)
            if not self.intent.owned:
                return
            await self._changed()

    async def _steal(self) -> None:
        try:
            await self.state.replica.steal(STATE_LOCK)
        except TulleError:
            await asyncio.sleep(0.1)  # the leader changes just now

    async def _changed(self) -> None:
        """Until rows, connection or locks of either database change."""
        waits = [asyncio.ensure_future(one.replica.changed()) for one in (self.intent, self.state)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
