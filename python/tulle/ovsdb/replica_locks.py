"""The locks that a replica wants (RFC 7047 section 4.1.8): asked for again on every connection."""

from __future__ import annotations

from typing import Any

from tulle.errors import ProtocolError
from tulle.ovsdb.client import Client


class LockRequests:
    """Which locks are wanted and which are owned; a server forgets both when the connection ends."""

    def __init__(self) -> None:
        self.owned: set[str] = set()
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self._stolen: set[str] = set()  # since it was asked for

    async def want(self, client: Client | None, name: str) -> None:
        """Stand in the queue for a lock, now if connected, and whenever a connection begins.

        Who was stolen a lock is out of the queue until it asks again.
        """
        self._wanted.add(name)
        if client is None or (name in self._asked and name not in self._stolen):
            return
        if name in self._asked:
            await client.request("unlock", name)
        await self._ask(client, "lock", name)

    async def steal(self, client: Client, name: str) -> None:
        """Take a lock from whoever has it, for as long as this connection lasts."""
        if name in self._asked:
            self.owned.discard(name)
            await client.request("unlock", name)
        await self._ask(client, "steal", name)

    async def ask_all(self, client: Client) -> None:
        """On a new connection: ask for all that is wanted."""
        self.lose_all()
        for name in self._wanted:
            await self._ask(client, "lock", name)

    def lose_all(self) -> None:
        """The connection is gone."""
        self.owned.clear()
        self._asked.clear()

    def notified(self, method: str, params: list[Any]) -> None:
        """A notification "locked" or "stolen"."""
        if len(params) != 1 or not isinstance(params[0], str):
            raise ProtocolError(f"expected the name of a lock in {method!r}")
        if method == "stolen":
            self.owned.discard(params[0])
            self._stolen.add(params[0])
        elif params[0] in self._asked:
            self.owned.add(params[0])

    async def _ask(self, client: Client, method: str, name: str) -> None:
        self._asked.add(name)
        self._stolen.discard(name)
        reply = await client.request(method, name)
        if isinstance(reply, dict) and reply.get("locked") is True and name not in self._stolen:
            self.owned.add(name)
