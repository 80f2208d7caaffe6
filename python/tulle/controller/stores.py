"""The databases as the controller sees them: rows, events and transactions, wherever they are kept.

Two makes: `Embedded`, in this process and on this machine's disk; `Clustered` (see `clustered`), on servers of
their own.  Nothing else in the controller knows which one it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tulle.ovsdb import Change, Database, DatabaseSchema
from tulle.ovsdb.agent_role import has_agent_role, write_agent_role
from tulle.store.writer import HasRows


class Rows(Protocol):
    """What can be read and followed."""

    def table(self, name: str, /) -> HasRows:
        """The table of this name."""

    def subscribe(self, subscriber: Callable[[list[Change]], None], /) -> Callable[[], None]:
        """Call `subscriber` with the changes of each commit; the returned function ends that."""


class Store(Rows, Protocol):
    """A database that the controller may change."""

    @property
    def schema(self) -> DatabaseSchema:
        """Its schema."""

    async def transact(self, operations: Iterable[Any], /) -> list[Any]:
        """Execute operations; the rows show them, and they are durable, when this returns.

        Raises `OvsdbError` when they are refused, `Unavailable` when it is not known what became of them.
        """


class Embedded:
    """A database in this process; it never waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.subscribe = database.subscribe
        self.table = database.table

    @property
    def schema(self) -> DatabaseSchema:
        """Its schema."""
        return self._database.schema

    async def transact(self, operations: Iterable[Any]) -> list[Any]:
        """Execute operations; they are on the disk when this returns."""
        return self._database.transact(operations)


async def grant_agent_role(state: Store) -> None:
    """Make the role "agent" of `Tulle_State` what it is to be; agents that come by TLS have it."""
    if "RBAC_Role" not in state.schema.tables:
        return  # of a release that knew no roles
    roles, permissions = state.table("RBAC_Role").rows, state.table("RBAC_Permission").rows
    if not has_agent_role(roles, permissions):
        await state.transact(write_agent_role(state.schema))
