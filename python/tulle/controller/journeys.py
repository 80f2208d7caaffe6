"""What nodes have seen of packets, put together: the way of each one, with times as far as clocks can be compared.

Pure.  A hop is `{"node", "port" or "tunnel", "out", "encapsulation", "at_ns", "after_ns", "within_ns", "here_ns"}`:
`after_ns` is the time since the packet entered, None where the node's clock is not known; `here_ns` since the node
first saw it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .clocks import Clock, Sighting, clock

Document = dict[str, Any]
Seen = Mapping[str, Sequence[Sighting]]


def clocks(first: str, seen: Seen) -> dict[str, Clock | None]:
    """Of all nodes that saw something, against that of the first one."""
    return {node: Clock(0, 0) if node == first else clock(first, node, seen) for node in seen}


def journeys(first: str, port: str, entered: Mapping[str, Document], seen: Seen) -> list[Document]:
    """The ways of packets that entered by a port of the first node, in the order in which they did.

    [{"packet": what it says, "entered_ns", "hops", "delivered": [ports], "times": how often it entered}].
    """
    known = clocks(first, seen)
    found = [_journey(first, port, name, what, seen, known) for name, what in entered.items()]
    return sorted((one for one in found if one["hops"]), key=lambda one: int(one["entered_ns"]))


def clock_documents(found: Mapping[str, Clock | None]) -> Document:
    """{node: {"ahead_ns", "within_ns"} or None}."""
    return {
        node: None if one is None else {"ahead_ns": one.ahead_ns, "within_ns": one.within_ns}
        for node, one in sorted(found.items())
    }


def _journey(
    first: str,
    port: str,
    digest: str,
    what: Document,
    seen: Seen,
    known: Mapping[str, Clock | None],
) -> Document:
    own = {node: _own(found, digest) for node, found in seen.items()}
    way = list(_way(first, {node: deque(found) for node, found in own.items()}))
    entries = [
        one["at_ns"] for node, one in way if (node, one.get("port"), one["out"]) == (first, port, True)
    ]
    start = min(entries, default=0)
    begun: dict[str, int] = {}
    hops = []
    for node, one in way:
        here = one["at_ns"] - begun.setdefault(node, one["at_ns"])
        hops.append({"node": node, **_place(one), **_timed(one, start, known.get(node)), "here_ns": here})
    arrived = [one["port"] for one in hops if one.get("port") and not one["out"]]
    delivered = list(dict.fromkeys(arrived))
    return {
        "packet": what["says"],
        "entered_ns": start,
        "times": len(entries),
        "hops": hops,
        "delivered": delivered,
    }


def _own(found: Iterable[Sighting], digest: str) -> list[Sighting]:
    return sorted((one for one in found if one["digest"] == digest), key=lambda one: int(one["at_ns"]))


def _way(node: str, left: Mapping[str, deque[Sighting]]) -> Iterator[tuple[str, Sighting]]:
    """Sightings in the order in which the packet passed: where one goes into a tunnel, it is at the far end next.

    By this no two clocks are compared.
    """
    waiting = [node]
    while waiting:
        here = left.get(waiting[-1])
        if not here:
            waiting.pop()
            continue
        one = here.popleft()
        yield waiting[-1], one
        if one.get("target") and one["out"]:
            waiting.append(one["target"])
    for other in sorted(left):
        # What nobody has been seen to send there.
        yield from ((other, one) for one in left[other])


def _place(one: Sighting) -> Document:
    if one.get("port"):
        return {"port": one["port"], "out": one["out"]}
    far = one["target"] if one["out"] else one["source"]
    return {"tunnel": far, "out": one["out"], "encapsulation": one["encapsulation"]}


def _timed(one: Sighting, start: int, known: Clock | None) -> Document:
    if known is None:
        return {"at_ns": one["at_ns"], "after_ns": None, "within_ns": None}
    return {
        "at_ns": one["at_ns"],
        "after_ns": one["at_ns"] - known.ahead_ns - start,
        "within_ns": known.within_ns,
    }
