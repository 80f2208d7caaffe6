"""Sightings: where and when packets of a live trace are seen at this node, by the node's own clock.

What passes the devices is looked at as in a capture, so nothing about forwarding changes.  Bounded in time, in frames
a second, and in what is remembered; what comes faster is counted and not looked at.
"""

from __future__ import annotations

import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Any, Final

import msgspec
from msgspec import Struct

from tulle.agent.capturing import (
    CaptureRequest,
    Places,
    Point,
    Received,
    frames_lost,
    network_of_context,
    points_of,
    received,
    tunnelled,
)
from tulle.agent.identity import Headers, described, digest, either_way, fits, frame_bytes, headers, shortened
from tulle.agent.outer import Outer
from tulle.errors import InvalidInput
from tulle.logical.match import parse_match

COUNT_MAX: Final = 100
SECONDS_MAX: Final = 600.0
SNAP_BYTES: Final = 512
TRAINS: Final = ("vxlan", "geneve")
REMEMBERED_MAX: Final = 20_000
SLICE_S, SLICE_FRAMES = 0.05, 1000
AT_ONCE: Final = 32
DRAIN_S: Final = 2.0
GRACE_S: Final = 0.5
"""How long packets may be on their way after the last one has entered."""
ANSWERS_MAX: Final = 200

Document = dict[str, Any]


class PursuitRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Packets of a network that fit one of `matches`: `count` of those that `port` sends, if it is here.

    `translated`: their addresses may change on the way.
    """

    id: str
    network: str
    port: str
    matches: tuple[str, ...]
    seconds: float = 10.0
    count: int = 5
    translated: bool = False


class Sighting(Struct, frozen=True):
    """A packet at a place: a `port`, or a tunnel from `source` to `target` by `encapsulation`."""

    digest: str
    at_ns: int
    out: bool
    port: str = ""
    source: str = ""
    target: str = ""
    encapsulation: str = ""


def pursuit_request(arguments: Document) -> PursuitRequest:
    """The arguments of a question; raises InvalidInput."""
    try:
        request = msgspec.convert(arguments, PursuitRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"trace: {error}") from None
    if not (0 < request.count <= COUNT_MAX and 0 < request.seconds <= SECONDS_MAX and request.matches):
        raise InvalidInput(f"trace: up to {COUNT_MAX} packets within {SECONDS_MAX:g} s can be followed")
    return request


class Pursuit:
    """Follows packets on a thread of its own (`run`) until the time is over, `count` have passed, or it is ended."""

    def __init__(self, request: PursuitRequest) -> None:
        matches = [parse_match(one) for one in request.matches]
        self.request = request
        self.done = threading.Event()
        self._end = threading.Event()
        self._wanted = [fits(one) for one in matches]
        self._maybe = either_way(matches, translated=request.translated)
        self._entered: dict[str, Document] = {}
        self._seen: deque[Sighting] = deque(maxlen=REMEMBERED_MAX)
        self._forgotten = 0
        self._lost = 0
        self._since_ns = 0

    def end(self) -> None:
        """Look no further."""
        self._end.set()

    def run(self, places: Places, began: Callable[[], object]) -> None:
        """Blocking; `began` is called once everything is watched."""
        whole = CaptureRequest(network=self.request.network)
        try:
            with ExitStack() as stack:
                points = [stack.enter_context(one) for one in points_of(whole, places)]
                # A packet that came in between has not been looked for everywhere.
                self._since_ns = time.time_ns()
                began()
                self._watch(places, points)
                self._drain(places, points, time.time_ns())
                self._lost += sum(frames_lost(point.sock) for point in points)
        finally:
            self.done.set()

    def answer(self, digests: list[str] | None) -> Document:
        """What has been seen of these packets, or (for None) of those that have entered here and of answers to them.

        {"entered": {digest: {"says", "frame"}}, "sightings": [...], "lost": frames not looked at, "forgotten"}.
        """
        wanted = set(self._entered if digests is None else digests)
        found = [one for one in self._seen if one.digest in wanted]
        if digests is None:
            # Answers come by the same tunnels; they tell how far the clocks of nodes are apart.
            back = [one for one in self._seen if one.source and not one.out and one.digest not in wanted]
            found += back[:ANSWERS_MAX]
        return {
            "entered": self._entered,
            "sightings": [_document(one) for one in found],
            "lost": self._lost,
            "forgotten": self._forgotten,
        }

    def _watch(self, places: Places, points: list[Point]) -> None:
        until = time.monotonic() + self.request.seconds
        is_enough = False
        with selectors.DefaultSelector() as selector:
            for point in points:
                selector.register(point.sock, selectors.EVENT_READ, point)
            while (now := time.monotonic()) < until and not self._end.is_set():
                self._slice(places, selector, min(until, now + SLICE_S))
                if not is_enough and len(self._entered) >= self.request.count:
                    is_enough, until = True, min(until, time.monotonic() + GRACE_S)

    def _slice(self, places: Places, selector: selectors.BaseSelector, until: float) -> None:
        """Look at what comes until then, at most at so many frames: the node has other things to do."""
        left = SLICE_FRAMES
        while left > 0 and (wait := until - time.monotonic()) > 0:
            for key, _ in selector.select(wait):
                left -= sum(1 for _ in self._look(places, key.data, AT_ONCE))
        self._end.wait(max(0.0, until - time.monotonic()))

    def _drain(self, places: Places, points: list[Point], now_ns: int) -> None:
        """Look at what has come until now and waits, for a while; what is left then is as good as lost."""
        until = time.monotonic() + DRAIN_S
        for point in points:
            for at_ns in self._look(places, point, None):
                if at_ns > now_ns:
                    break
                if time.monotonic() > until:
                    self._lost += 1
                    break

    def _look(self, places: Places, point: Point, most: int | None) -> Iterator[int]:
        """Look at frames that wait at a point; when each came."""
        # Of the underlay all of it: many frames may be in one packet.
        size = SNAP_BYTES if point.kind == "port" else 65_535
        for _ in count() if most is None else range(most):
            got = received(point, size)
            if got is None:
                return
            self._note(places, point, got)
            yield got.at_ns

    def _note(self, places: Places, point: Point, got: Received) -> None:
        if point.kind == "port":
            self._note_at_port(point.name.partition("/")[2], got)
            return
        found = tunnelled(places, got)
        if found is None or found.inner < 0 or network_of_context(places, found) != self.request.network:
            return
        way = found.source, found.target, found.encapsulation
        for inside, known in carried(got.data, found):
            if self._maybe(known):
                self._remember(Sighting(digest(inside, known), got.at_ns, got.out, "", *way))

    def _note_at_port(self, port: str, got: Received) -> None:
        known = headers(got.data)
        if known is None or not self._maybe(known):
            return
        name = digest(got.data, known)
        is_ours = port == self.request.port and got.out and got.at_ns >= self._since_ns
        if is_ours and any(one(known) for one in self._wanted):
            self._enter(name, got.data, known)
        self._remember(Sighting(name, got.at_ns, got.out, port))

    def _enter(self, name: str, frame: bytes, known: Headers) -> None:
        if name not in self._entered and len(self._entered) < self.request.count:
            said = described(frame, known)
            self._entered[name] = {"says": said, "frame": shortened(frame, known).hex()}

    def _remember(self, one: Sighting) -> None:
        self._forgotten += len(self._seen) == REMEMBERED_MAX
        self._seen.append(one)


def carried(data: bytes, found: Outer) -> Iterator[tuple[bytes, Headers]]:
    """The frames in an outer packet: in one of UDP there may be several, each behind a tunnel header."""
    at = found.inner
    while at < len(data) and (known := headers(data[at:])) is not None:
        yield data[at:], known
        if found.encapsulation not in TRAINS:
            return
        at += frame_bytes(data[at:], known) + found.inner - found.header


def _document(one: Sighting) -> Mapping[str, Any]:
    found: Document = msgspec.to_builtins(one)
    return {key: value for key, value in found.items() if value != ""}
