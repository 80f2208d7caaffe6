"""What logical objects have counted on this node, whatever becomes of the flows that count for them.

A flow that goes, or begins to count anew, leaves what it had counted behind.  That is kept in the columns
`past_*` of `Counter`, so that a new agent goes on from there.  Pure: it is given dumps of flows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tulle.agent.counters import Counts, flow_object
from tulle.openflow import DumpedFlow
from tulle.openflow.flows import flow_cookie, flow_key
from tulle.store import Row, Source, Writer

Key = tuple[str, str, str]
Pair = tuple[int, int]
NOTHING: Pair = (0, 0)


class Tally:
    """Sums over flows that are there and flows that have been."""

    def __init__(self) -> None:
        self._past: dict[Key, Pair] = {}
        self._flows: dict[tuple[str, int], tuple[Key, Pair]] = {}
        self._ages: dict[tuple[str, int], float] = {}
        self._begun = False

    def note(self, flows: Iterable[DumpedFlow], owners: Mapping[int, str]) -> None:
        """Take in what flows have counted by now; dumps must come in the order in which they were made."""
        seen: dict[tuple[str, int], tuple[Key, Pair]] = {}
        ages: dict[tuple[str, int], float] = {}
        for flow in flows:
            name = flow_key(flow.text), flow_cookie(flow.text)
            known = self._flows.get(name)
            key = flow_object(flow.text, owners) or (known[0] if known is not None else None)
            if key is not None:
                seen[name], ages[name] = (key, (flow.packets, flow.bytes)), flow.duration_s
        for name, (key, before) in self._flows.items():
            if name not in seen or seen[name][1][0] < before[0] or ages[name] < self._ages[name]:
                self._leave(key, before)
        self._flows, self._ages = seen, ages

    def begin(self, rows: Iterable[Row]) -> None:
        """Go on from what an earlier agent has written, once something has been noted.

        Where the flows have counted less since than that agent had seen, they have begun anew meanwhile.
        """
        if self._begun:
            return
        self._begun = True
        seen = self.counts()
        for row in rows:
            key = row["network"], row["kind"], row["name"]
            past, total = (row["past_packets"], row["past_bytes"]), (row["packets"], row["bytes"])
            restarted = total[0] - past[0] > seen.get(key, NOTHING)[0]
            self._leave(key, total if restarted else past)

    def counts(self) -> Counts:
        """(packets, bytes) by object."""
        now = self._present()
        return {key: _sum(self.past(key), now.get(key, NOTHING)) for key in self._past.keys() | now.keys()}

    def past(self, key: Key) -> Pair:
        """What flows that are gone have counted for an object."""
        return self._past.get(key, NOTHING)

    def forget(self, known: Collection[Key]) -> None:
        """Objects that exist no more have no counters."""
        there = self._present()
        self._past = {key: pair for key, pair in self._past.items() if key in known or key in there}

    def _present(self) -> Counts:
        found: Counts = {}
        for key, pair in self._flows.values():
            found[key] = _sum(found.get(key, NOTHING), pair)
        return found

    def _leave(self, key: Key, pair: Pair) -> None:
        self._past[key] = _sum(self.past(key), pair)


def _sum(one: Pair, other: Pair) -> Pair:
    return one[0] + other[0], one[1] + other[1]


def write_tally(writer: Writer, source: Source, node: str, tally: Tally) -> None:
    """Operations that make this node's rows of `Counter` equal the tally."""
    desired = []
    for (network, kind, name), (packets, size) in sorted(tally.counts().items()):
        past = tally.past((network, kind, name))
        values = {"node": node, "network": network, "kind": kind, "name": name}
        counted = {"packets": packets, "bytes": size, "past_packets": past[0], "past_bytes": past[1]}
        desired.append(values | counted)
    writer.replace("Counter", [row for row in source("Counter") if row["node"] == node], desired)
