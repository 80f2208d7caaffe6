"""The last commits of a database, so that a client that was away learns only what it missed.

Bounded by number and by an estimate of bytes; a client that was away for longer gets everything anew.
The ids mean something only while this server runs (ovsdb-server(7) section 4.1.15).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from itertools import islice
from uuid import UUID

from tulle.ovsdb.table import Change, Key, Row

MAX_TRANSACTIONS = 10_000
MAX_BYTES = 16 << 20
_CHANGE_BYTES = 150
_ATOM_BYTES = 60


class History:
    """Commits, each with an id; `last_id` is the state of the database now."""

    def __init__(
        self,
        new_uuid: Callable[[], UUID],
        max_transactions: int = MAX_TRANSACTIONS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._new_uuid = new_uuid
        self._max_transactions = max_transactions
        self._max_bytes = max_bytes
        self._commits: deque[tuple[UUID, list[Change], int]] = deque()
        self.forget()

    def forget(self) -> None:
        """Begin anew, as when the rows have another schema now."""
        self._commits.clear()
        self._bytes = 0
        self._first = 0  # the number of the oldest commit that is kept
        self.last_id = self._new_uuid()
        self._numbers = {self.last_id: 0}  # how many commits came before the state of this id

    def append(self, changes: list[Change]) -> UUID:
        """Remember a commit; its id."""
        self.last_id = self._new_uuid()
        size = sum(map(_size, changes))
        self._commits.append((self.last_id, changes, size))
        self._numbers[self.last_id] = self._first + len(self._commits)
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._commits) > self._max_transactions:
            self._drop_oldest()
        return self.last_id

    def _drop_oldest(self) -> None:
        _id, _changes, size = self._commits.popleft()
        del self._numbers[next(iter(self._numbers))]
        self._bytes -= size
        self._first += 1

    def since(self, known: UUID) -> list[Change] | None:
        """What changed in sum since the state with this id; None if that is not known any more."""
        number = self._numbers.get(known)
        if number is None:
            return None
        before: dict[Key, Row | None] = {}
        after: dict[Key, Row | None] = {}
        for _id, changes, _size in islice(self._commits, number - self._first, None):
            for change in changes:
                before.setdefault((change.table, change.uuid), change.old)
                after[change.table, change.uuid] = change.new
        return [Change(*key, old, after[key]) for key, old in before.items() if old is not after[key]]


def _size(change: Change) -> int:
    """About what it costs to remember a change: values that rows share with what came before cost nothing."""
    old, new = change.old, change.new
    if old is None:
        return _CHANGE_BYTES
    values = (value for name, value in old.items() if new is None or new[name] is not value)
    return _CHANGE_BYTES + _ATOM_BYTES * len(old) + sum(map(_value_size, values))


def _value_size(value: object) -> int:
    if isinstance(value, str):
        return _ATOM_BYTES + len(value)
    if isinstance(value, dict):
        return _ATOM_BYTES + _atoms_size(value.keys()) + _atoms_size(value.values())
    if isinstance(value, frozenset):
        return _ATOM_BYTES + _atoms_size(value)
    return _ATOM_BYTES


def _atoms_size(atoms: Collection[object]) -> int:
    """Of atoms of one kind; the sets of a large network have thousands, so none but texts are looked at."""
    size = _ATOM_BYTES * len(atoms)
    if isinstance(next(iter(atoms), None), str):
        size += sum(map(len, atoms))  # type: ignore[arg-type]
    return size
