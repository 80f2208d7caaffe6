"""What logical objects have counted on this node, whatever becomes of the flows that count for them.

A flow that goes, or begins to count anew, leaves what it had counted behind.  That is kept in the columns
`past_*` of `Counter`, so that a new agent goes on from there.  Pure: it is given dumps of flows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tulle.agent.counters import Counts, Place, flow_object
from tulle.agent.totals import Total, Whereabouts, drop_totals, flow_totals, write_totals
from tulle.openflow import DumpedFlow
from tulle.openflow.flows import flow_cookie, flow_key
from tulle.store import Row, Source, Writer

Key = tuple[str, str, str] | Total
"""What counts: an object, or a switch, router or network with the reason of drops."""
Pair = tuple[int, int]
NOTHING: Pair = (0, 0)
NOWHERE = Whereabouts()


class Tally:
    """Sums over flows that are there and flows that have been."""

    def __init__(self) -> None:
        self._past: dict[Key, Pair] = {}
        self._flows: dict[tuple[str, int], tuple[tuple[Key, ...], Pair]] = {}
        self._ages: dict[tuple[str, int], float] = {}
        self._idle: set[tuple[str, int]] = set()
        """Flows that are known to count for nothing: most of them."""
        self._drops: dict[str, tuple[tuple[Key, ...], Pair]] = {}
        self._begun = False

    def note(
        self, flows: Iterable[DumpedFlow], owners: Mapping[int, str], places: Whereabouts = NOWHERE
    ) -> None:
        """Take in what flows have counted by now; dumps must come in the order in which they were made."""
        seen: dict[tuple[str, int], tuple[tuple[Key, ...], Pair]] = {}
        ages: dict[tuple[str, int], float] = {}
        idle: set[tuple[str, int]] = set()
        for flow in flows:
            name = flow_key(flow.text), flow_cookie(flow.text)
            if name in self._idle:
                idle.add(name)
                continue
            known = self._flows.get(name)
            keys = known[0] if known is not None else _keys(flow.text, owners, places)
            if keys:
                seen[name], ages[name] = (keys, (flow.packets, flow.bytes)), flow.duration_s
            elif name[1] in owners:
                idle.add(name)
        for name, (keys, before) in self._flows.items():
            if name not in seen or seen[name][1][0] < before[0] or ages[name] < self._ages[name]:
                self._leave(keys, before)
        self._flows, self._ages, self._idle = seen, ages, idle

    def note_drops(self, drops: Mapping[Place, int], places: Whereabouts) -> None:
        """Take in what the switch itself has lost by now."""
        seen: dict[str, tuple[tuple[Key, ...], Pair]] = {
            name: (keys, (packets, 0)) for name, keys, packets in drop_totals(drops, places)
        }
        for name, (keys, before) in self._drops.items():
            if name not in seen or seen[name][1][0] < before[0]:
                self._leave(keys, before)
        self._drops = seen

    def begin(self, rows: Iterable[Row]) -> None:
        """Go on from what an earlier agent has written, once something has been noted.

        Where the flows have counted less since than that agent had seen, they have begun anew meanwhile.
        """
        if self._begun:
            return
        self._begun = True
        seen = self._sums()
        for row in rows:
            key: Key = (row["network"], row["kind"], row["name"])
            if "reason" in row:
                key = (*key[:3], row["reason"])
            past, total = (row["past_packets"], row["past_bytes"]), (row["packets"], row["bytes"])
            restarted = total[0] - past[0] > seen.get(key, NOTHING)[0]
            self._leave((key,), total if restarted else past)

    def counts(self) -> Counts:
        """(packets, bytes) by object."""
        return {key: pair for key, pair in self._sums().items() if len(key) == 3}

    def totals(self) -> dict[Total, tuple[Pair, Pair]]:
        """The same of switches, routers and networks, with what flows that are gone have had of it."""
        return {key: (pair, self.past(key)) for key, pair in self._sums().items() if len(key) == 4}

    def past(self, key: Key) -> Pair:
        """What flows that are gone have counted for an object."""
        return self._past.get(key, NOTHING)

    def forget(self, known: Collection[tuple[str, str, str]]) -> None:
        """Objects (network, kind, name) that exist no more have no counters."""
        there = self._present()
        self._past = {key: pair for key, pair in self._past.items() if key[:3] in known or key in there}

    def _sums(self) -> dict[Key, Pair]:
        now = self._present()
        return {key: _sum(self.past(key), now.get(key, NOTHING)) for key in self._past.keys() | now.keys()}

    def _present(self) -> dict[Key, Pair]:
        found: dict[Key, Pair] = {}
        for keys, pair in (*self._flows.values(), *self._drops.values()):
            for key in keys:
                found[key] = _sum(found.get(key, NOTHING), pair)
        return found

    def _leave(self, keys: Iterable[Key], pair: Pair) -> None:
        for key in keys:
            self._past[key] = _sum(self.past(key), pair)


def _keys(text: str, owners: Mapping[int, str], places: Whereabouts) -> tuple[Key, ...]:
    key = flow_object(text, owners)
    return (*(() if key is None else (key,)), *flow_totals(text, owners, places))


def _sum(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]


def write_tally(writer: Writer, source: Source, node: str, tally: Tally) -> None:
    """Operations that make this node's rows of `Counter` and `Total` equal the tally."""
    desired = []
    for (network, kind, name), (packets, size) in sorted(tally.counts().items()):
        past = tally.past((network, kind, name))
        values = {"node": node, "network": network, "kind": kind, "name": name}
        counted = {"packets": packets, "bytes": size, "past_packets": past[0], "past_bytes": past[1]}
        desired.append(values | counted)
    writer.replace("Counter", [row for row in source("Counter") if row["node"] == node], desired)
    write_totals(writer, source, node, tally.totals())
