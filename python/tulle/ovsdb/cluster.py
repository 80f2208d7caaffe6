"""Which server of several to follow: what their `_Server` databases say, and whom to try next.  No I/O.

A clustered server serves a client well while it is in touch with the cluster (`connected`), is no further
behind than what the client has seen (`index`) and, for those who ask for it, is the leader.
Source: ovsdb-server(5), ovsdb(7) "Clustered Database Service Model".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tulle.errors import InvalidInput
from tulle.ovsdb.table import Row

SERVER_DATABASE = "_Server"
SERVER_COLUMNS = ("name", "model", "connected", "leader", "cid", "index")
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.1, 4.0
CLUSTER_BACKOFF_MAX_S = 0.5


@dataclass
class Remotes:
    """The remotes of a list such as `tcp:a:6641,tcp:b:6641`, tried in turn; a pause after each round."""

    text: str
    addresses: tuple[str, ...] = ()
    _next: int = 0
    _failures: int = 0
    _pause_s: float = BACKOFF_MIN_S

    def __post_init__(self) -> None:
        self.addresses = tuple(one.strip() for one in self.text.split(",") if one.strip())
        if not self.addresses:
            raise InvalidInput(f"a remote such as tcp:127.0.0.1:6640 was expected, {self.text!r} came")

    @property
    def several(self) -> bool:
        """Whether there is a choice."""
        return len(self.addresses) > 1

    @property
    def current(self) -> str:
        """The remote to connect to."""
        return self.addresses[self._next]

    def served(self) -> None:
        """The current one serves: after it, no pause has built up."""
        self._failures, self._pause_s = 0, BACKOFF_MIN_S

    def failed(self) -> float:
        """Go on to the next remote; how many seconds to wait before trying it."""
        self._next = (self._next + 1) % len(self.addresses)
        self._failures += 1
        if self._failures % len(self.addresses):
            return 0.0
        pause_s = self._pause_s
        longest_s = CLUSTER_BACKOFF_MAX_S if self.several else BACKOFF_MAX_S
        self._pause_s = min(2 * pause_s, longest_s)
        return pause_s


@dataclass
class Standing:
    """Judges servers by their row for one database; remembers how far each cluster has been seen."""

    database: str
    leader_only: bool
    seen: dict[UUID, int] = field(default_factory=dict)

    def fault(self, rows: Mapping[UUID, Row]) -> str | None:
        """Why not to follow the server that has these rows of `Database`; None if it will do."""
        row = next((row for row in rows.values() if row["name"] == self.database), None)
        if row is None:
            return f"it does not have the database {self.database}"
        if row["model"] == "standalone":
            return None
        if not row["connected"]:
            return "it is not in touch with its cluster"
        if self.leader_only and not row["leader"]:
            return "it is not the leader"
        return self._stale(row)

    def _stale(self, row: Row) -> str | None:
        cluster, index = row["cid"], row["index"]
        if cluster is None or index is None:
            return None
        if index < self.seen.get(cluster, 0):
            return f"it is stale: at index {index}, where {self.seen[cluster]} was seen already"
        self.seen[cluster] = index
        return None
