"""The versions of networks that are live at this node: the one that users want, and those that packets may still have.

Packets are stamped with a version where they enter, and handled by the flows of that version alone; so what a network
was is compiled as long as the controller names its version, with the places where ports are now.  An agent that has
just begun does not know what networks were: it leaves the flows of such a version in the switch as it finds them.
Pure: it is given the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from tulle.control import in_version
from tulle.values import Binding, Ids, Network, Turn, VersionReport

GRACE_S = 0.2
"""How long flows outlive their version: the time that a packet takes from one node to the next."""
CAUGHT_UP_S = 3.0
"""The same where this node was behind, or has just begun: others speak to it in that version until they have heard."""


class Edition(Struct, frozen=True):
    """A network in one version, with its own numbers and the places of its ports."""

    network: Network
    version: int
    bindings: tuple[Binding, ...]
    ids: Ids


class Live(Struct, frozen=True):
    """What is to be compiled of a network: the version that users want, and `kept` ones.

    Packets enter in `stamped`.  `behind` are the nodes that have another version still.
    """

    version: int = 0
    stamped: int = 0
    behind: Mapping[str, int] = MappingProxyType({})
    kept: tuple[Edition, ...] = ()


def kept_networks(live: Mapping[str, Live]) -> Iterator[Network]:
    """The networks of versions that are kept."""
    return (one.network for several in live.values() for one in several.kept)


def stamped_network(network: Network, live: Mapping[str, Live]) -> Network:
    """A network in the version in which packets enter it."""
    now = live.get(network.name)
    kept = () if now is None else now.kept
    return next((one.network for one in kept if now is not None and one.version == now.stamped), network)


class Found(Struct, frozen=True):
    """Versions of networks that only the switch knows of, and what `metadata` holds in all of them."""

    versions: Mapping[str, frozenset[int]] = MappingProxyType({})
    metadata: frozenset[int] = frozenset()


class Editions:
    """Remembers what networks were for as long as it is needed; `has_ended` says that just now one was not any more."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._kept: defaultdict[str, dict[int, Edition]] = defaultdict(dict)
        self._until: dict[tuple[str, int], float] = {}
        self._was_behind: set[tuple[str, int]] = set()
        self._left: dict[tuple[str, int], float] = {}
        self._live: dict[str, Live] = {}
        self._turns: Mapping[str, Turn] = {}
        self.has_ended = False

    def update(
        self,
        versions: Mapping[str, int],
        turns: Mapping[str, Turn],
        latest: Mapping[str, Edition],
        found: Found,
        now: float,
    ) -> Mapping[str, Live]:
        """What is live now, by network; networks that never had a second version are left out.

        `latest` are the networks as they were compiled last, `found` the versions whose flows an earlier agent has
        left in the switch.  `now` is in seconds.
        """
        self._turns = turns
        self.has_ended = False
        for name in self._kept.keys() - versions.keys():
            del self._kept[name]
        self._live = {}
        for name, version in versions.items():
            turn = turns.get(name)
            if version or turn is not None or name in self._kept:
                self._keep(name, version, turn or Turn(), latest.get(name), now)
                self._live[name] = self._now(
                    name, version, turn or Turn(), found.versions.get(name, frozenset())
                )
        self._leave(versions, found, now)
        self._until = {
            (name, one): end for (name, one), end in self._until.items() if one in self._kept[name]
        }
        self._kept = defaultdict(dict, {name: kept for name, kept in self._kept.items() if kept})
        return self._live

    def missing(
        self,
        versions: Mapping[str, int],
        turns: Mapping[str, Turn],
        latest: Mapping[str, Edition],
        now: float,
    ) -> dict[str, set[int]]:
        """The versions that are needed and whose networks are not known here, by network."""
        wanted = {}
        for name, version in versions.items():
            turn = turns.get(name, Turn())
            known = {version, *self._kept.get(name, ())}
            if name in latest:
                known.add(latest[name].version)
            left = {one for (network, one), end in self._left.items() if network == name and end > now}
            if unknown := (self._needed(turn) | left) - known:
                wanted[name] = unknown
        return wanted

    def is_settled(self, name: str) -> bool:
        """Whether packets of a network have one version alone, as far as this node knows."""
        turn, live = self._turns.get(name, Turn()), self._live.get(name, Live())
        is_left = any(network == name for network, _ in self._left)
        return not (live.kept or turn.former or is_left) and turn.stamped == live.version

    def holding(self) -> frozenset[str]:
        """The networks of which something is kept besides what users want."""
        return frozenset(name for name, live in self._live.items() if live.kept)

    def report(self, names: Iterable[str], pending: Collection[str]) -> VersionReport:
        """What this node can say of networks, now that the flows are in place; those that are pending are not."""
        told = {name: self._live[name] for name in names if name in self._live}
        prepared = {name: one.version for name, one in told.items() if name not in pending}
        return VersionReport(prepared, {name: one.stamped for name, one in told.items()})

    def next_end(self) -> float | None:
        """When the flows of a version are to go."""
        return min((*self._until.values(), *self._left.values()), default=None)

    def _needed(self, turn: Turn) -> set[int]:
        return {
            turn.stamped,
            *turn.former,
            *(turn.behind[one] for one in (self._node,) if one in turn.behind),
        }

    def _keep(self, name: str, version: int, turn: Turn, before: Edition | None, now: float) -> None:
        kept, needed = self._kept[name], self._needed(turn)
        if self._node in turn.behind:
            self._was_behind.add((name, turn.behind[self._node]))
        if before is not None and before.version != version:
            kept[before.version] = before
        kept.pop(version, None)
        for one in list(kept):
            if one in needed:
                self._until.pop((name, one), None)
            elif self._until.setdefault((name, one), now + self._grace_s(name, one)) <= now:
                del kept[one]
                self._was_behind.discard((name, one))
                self.has_ended = True

    def _grace_s(self, name: str, version: int) -> float:
        return CAUGHT_UP_S if (name, version) in self._was_behind else GRACE_S

    def _leave(self, versions: Mapping[str, int], found: Found, now: float) -> None:
        """What is left in the switch stays for a while after the last time that it was needed."""
        for name, several in found.versions.items():
            needed = self._needed(self._turns.get(name, Turn()))
            self._left |= {(name, one): now + CAUGHT_UP_S for one in several & needed}
        self._left = {
            key: end
            for key, end in self._left.items()
            if end > now and versions.get(key[0], key[1]) != key[1]
        }

    def _now(self, name: str, version: int, turn: Turn, found: Collection[int]) -> Live:
        """Packets enter in the version that all agreed on; a node that never had it takes the one that comes."""
        kept = self._kept[name]
        stamped = turn.stamped if turn.stamped in (*kept, *found) else version
        return Live(version, stamped, dict(turn.behind), tuple(kept[one] for one in sorted(kept)))


def placed(edition: Edition, bindings: Iterable[Binding]) -> Edition:
    """An edition with the ports where they are now; those that are gone stay where they were."""
    now = {one.port: one for one in bindings if one.network == edition.network.name}
    moved = tuple(now.get(one.port, one) for one in edition.bindings)
    return edition if moved == edition.bindings else replace(edition, bindings=moved)


def found_in_switch(ids: Ids, missing: Mapping[str, Collection[int]], there: Collection[int | None]) -> Found:
    """Which of the versions that are missing have flows; `there` is what flows ask of `metadata`."""
    versions: dict[str, frozenset[int]] = {}
    metadata: set[int] = set()
    for name, wanted in missing.items():
        numbers = [number for path, number in ids.datapaths.items() if path.startswith(f"{name}/")]
        held = {one: {in_version(number, one) for number in numbers} for one in wanted}
        versions[name] = frozenset(one for one in wanted if not held[one].isdisjoint(there))
        metadata.update(*(held[one] for one in versions[name]))
    return Found(versions, frozenset(metadata))
