"""Named locks (RFC 7047 section 4.1.8): the first in each queue owns the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tulle.ovsdb.errors import OvsdbError

if TYPE_CHECKING:
    from tulle.ovsdb.service import Session


class Locks:
    """Who owns and who waits for each lock."""

    def __init__(self) -> None:
        self._queues: dict[str, list[Session]] = {}

    def owner(self, name: str) -> Session | None:
        """The session that holds the lock."""
        queue = self._queues.get(name)
        return queue[0] if queue else None

    def lock(self, session: Session, name: str) -> bool:
        """Ask for a lock; whether the session owns it now."""
        queue = self._queues.setdefault(name, [])
        if session in queue:
            raise OvsdbError("duplicate lock", f"lock {name} has been asked for already")
        queue.append(session)
        return queue[0] is session

    def steal(self, session: Session, name: str) -> Session | None:
        """Take a lock away; the session that loses it and now waits first, if any."""
        queue = self._queues.setdefault(name, [])
        if session in queue:
            raise OvsdbError("duplicate lock", f"lock {name} has been asked for already")
        loser = queue[0] if queue else None
        queue.insert(0, session)
        return loser

    def unlock(self, session: Session, name: str) -> Session | None:
        """Give up a lock or the wait for it; the session that owns it now because of that, if any."""
        queue = self._queues.get(name, [])
        if session not in queue:
            raise OvsdbError("unknown lock", f"lock {name} has not been asked for")
        owned = queue[0] is session
        queue.remove(session)
        if not queue:
            del self._queues[name]
            return None
        return queue[0] if owned else None

    def release_all(self, session: Session) -> list[tuple[Session, str]]:
        """Give up everything; who owns what because of that."""
        names = [name for name, queue in self._queues.items() if session in queue]
        heirs = [(self.unlock(session, name), name) for name in names]
        return [(heir, name) for heir, name in heirs if heir is not None]
