"""A live trace: real packets of a port followed from node to node, and why those that were not delivered were not.

Nodes begin to watch before the first packet is taken, so none that is taken is missed further on.
What decided is asked of the switches afterwards, with the packet's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec

from tulle.errors import Conflict, InvalidInput, TulleError
from tulle.logical import parse_match
from tulle.logical.match import emit_match, is_reference
from tulle.logical.translation import is_translated
from tulle.values import LogicalPort, Match, Network

from .asking import Asker
from .journeys import Document, clock_documents, clocks, journeys
from .listing import Listing
from .tracing import Tracer
from .why import deciders, find_port, with_device

MARGIN_S: Final = 30.0
SECONDS_MAX: Final = 600.0
COUNT_MAX: Final = 100
TRACES_MAX: Final = 10


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which packets of which port: those of `match`, with `to` those for that port's addresses; how long, how many."""

    port: str
    match: str = "any"
    to: str | None = None
    seconds: float = 10.0
    count: int = 5


class LiveTracer:
    """Asks nodes; changes nothing."""

    def __init__(self, listing: Listing, tracer: Tracer, asker: Asker, new_id: Callable[[], str]) -> None:
        self._listing = listing
        self._tracer = tracer
        self._asker = asker
        self._new_id = new_id

    async def follow(self, network: Network, wanted: Wanted) -> Document:
        """{"journeys": [as in `journeys`, with "end", "said", "by"], "clocks", "lost": {node: frames},
        "silent": {node: why}}."""
        matches = _matches(network, wanted)
        first, others = self._nodes(network.name, wanted.port)
        id = self._new_id()
        asked = {
            "id": id,
            "network": network.name,
            "port": wanted.port,
            "matches": [emit_match(one) for one in matches],
            "seconds": wanted.seconds,
            "count": wanted.count,
            "translated": is_translated(network),
        }
        # The others watch longer than the one that takes packets, and are told when to end.
        longer = {**asked, "seconds": min(wanted.seconds + MARGIN_S, SECONDS_MAX)}
        begun = await self._asker.ask_all(others, "follow", longer)
        silent = {name: one.message for name, one in begun.items() if isinstance(one, TulleError)}
        await self._asker.ask(first, "follow", asked)
        mine = await self._asker.ask(first, "followed", {"id": id}, wanted.seconds + MARGIN_S)
        seen, lost = await self._gathered(
            id, first, mine, [one for one in others if one not in silent], silent
        )
        found = journeys(first, wanted.port, mine["entered"], seen)
        await self._explain(network, wanted.port, found, mine["entered"])
        known = clocks(first, seen)
        passed = {hop["node"] for one in found for hop in one["hops"]}
        return {
            "network": network.name,
            "port": wanted.port,
            "journeys": found,
            "clocks": clock_documents({name: one for name, one in known.items() if name in passed}),
            "lost": lost,
            "silent": silent,
        }

    def _nodes(self, network: str, port: str) -> tuple[str, list[str]]:
        """The node of the port, and the other nodes of the network that can be asked."""
        bound = {one["name"]: one["bound"] for one in self._listing.ports(network)}
        first = bound.get(port)
        if first is None:
            raise Conflict(f"port {network}/{port} is bound to no node yet, so there is nothing to follow")
        connected = {one["name"] for one in self._listing.nodes() if one["connected"]}
        if first not in connected:
            raise Conflict(f"node {first}, where port {network}/{port} is, has no agent that could be asked")
        return first, sorted(connected.intersection(bound.values()) - {first})

    async def _gathered(
        self, id: str, first: str, mine: Document, others: Iterable[str], silent: dict[str, str]
    ) -> tuple[dict[str, list[Document]], dict[str, int]]:
        """What all nodes have seen, and what was too much for them; adds to `silent` who does not say."""
        digests = sorted({*mine["entered"], *(one["digest"] for one in mine["sightings"])})
        answers = await self._asker.ask_all(others, "followed", {"id": id, "digests": digests})
        told: dict[str, Document] = {first: mine}
        for name, one in answers.items():
            if isinstance(one, TulleError):
                silent[name] = one.message
            else:
                told[name] = one
        seen = {name: one["sightings"] for name, one in told.items()}
        lost = {name: one["lost"] + one["forgotten"] for name, one in told.items()}
        return seen, {name: count for name, count in lost.items() if count}

    async def _explain(
        self, network: Network, port: str, found: list[Document], entered: Mapping[str, Document]
    ) -> None:
        """Adds to each journey its `end`, and `by`: the rules that had a say; alike packets are asked about once."""
        frames = {one["says"]: bytes.fromhex(one["frame"]) for one in entered.values()}
        known: dict[tuple[str, bool], Document] = {}
        outside = {node["name"] for node in self._listing.nodes() if node["external"]}
        for one in found:
            alike = one["packet"].partition(" seq ")[0], bool(one["delivered"])
            if alike not in known and len(known) < TRACES_MAX:
                known[alike] = await self._asked(network, port, frames[one["packet"]])
            one.update(ending(one, known.get(alike, {}), outside))

    async def _asked(self, network: Network, port: str, frame: bytes) -> Document:
        try:
            return await self._tracer.trace_frame(network.name, port, frame)
        except TulleError as error:
            return {"failed": error.message}


def ending(journey: Document, traced: Document, outside: Collection[str] = ()) -> Document:
    """{"end": "delivered", "left", "dropped", "answered" or "lost", "said": sentence, "by": rules, "at", …}.

    Those dropped have "rule", "reason" and "at" {"node", "table"}.  Nodes `outside` have no agent.
    `traced` is what the switches say of the packet's own bytes, by their flows and connections as they are afterwards.
    """
    by = deciders(traced) if "halves" in traced else []
    if journey["delivered"]:
        # What is in brackets says how a rule ends packets.
        passed = [one for one in by if "(" not in one]
        return {"end": "delivered", "said": "delivered to " + ", ".join(journey["delivered"]), "by": passed}
    last = journey["hops"][-1]
    if last["out"] and last.get("tunnel") in outside:
        return {"end": "left", "said": f"left for {last['tunnel']}, which has no agent to ask", "by": by}
    place = f"port {last['port']}" if last.get("port") else f"the tunnel with {last['tunnel']}"
    where = f"last seen at {last['node']}, {place}"
    if "halves" not in traced:
        return {"end": "lost", "said": f"{where}; {traced.get('failed', 'not asked why')}", "by": by}
    is_arriving = any(one.get("port") for half in traced["halves"] for one in half.get("outputs", ()))
    for half in traced["halves"]:
        # Copies of mirrors and floods leave from where the packet itself ends.
        if (found := _ended(half)) and not (is_arriving and half.get("outputs")):
            return {**found, "by": by}
    if failed := next((half["failed"] for half in traced["halves"] if "failed" in half), ""):
        return {"end": "lost", "said": f"{where}; {failed}", "by": by}
    return {"end": "lost", "said": f"{where}; by the flows as they are now it would arrive", "by": by}


def _ended(half: Document) -> Document | None:
    """How a packet ends at a node, if it does."""
    steps, node = half.get("steps", ()), half["node"]
    owner = next((one["owner"] for one in reversed(steps) if one.get("owner")), "")
    by = f" by {owner}" if owner else ""
    table = steps[-1]["table"] if steps else None
    at = {"node": node, "table": table}
    if reasons := half.get("punts"):
        return {"end": "answered", "said": f"answered at {node}{by}: {', '.join(reasons)}", "at": at}
    if reasons := half.get("drops"):
        said = f"dropped at {node}{by}, table {table}: {', '.join(reasons)}"
        return {"end": "dropped", "said": said, "at": at, "rule": owner, "reason": reasons[0]}
    return None


def _matches(network: Network, wanted: Wanted) -> list[Match]:
    if not (0 < wanted.seconds <= SECONDS_MAX and 0 < wanted.count <= COUNT_MAX):
        raise InvalidInput(f"trace: up to {COUNT_MAX} packets within {SECONDS_MAX:g} s can be followed")
    with_device(network, wanted.port)
    match = parse_match(wanted.match)
    if is_reference(match.src) or is_reference(match.dst):
        raise InvalidInput("trace: an address or a prefix was expected, a set or a group came")
    if wanted.to is None:
        return [match]
    return _to_port(match, find_port(network, wanted.to))


def _to_port(match: Match, port: LogicalPort) -> list[Match]:
    if match.dst is not None:
        raise InvalidInput(f"trace: either dst={match.dst} or a port to go to was expected")
    found = []
    for address in port.addresses:
        text = f"{emit_match(match)},dst={address}"
        try:
            found.append(parse_match(text))
        except InvalidInput:
            continue  # of the other family
    if not found:
        raise InvalidInput(f"trace: port {port.name} has no address that goes with {emit_match(match)}")
    return found
