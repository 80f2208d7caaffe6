"""What happens, while it happens: changes of networks by users, and what nodes make of them.

One JSON object a line.  A listener that does not keep up is told so and let go: it has missed something.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import orjson
from aiohttp import web

from tulle import store
from tulle.ovsdb import Change

from .listing import history_document, snapshot_document
from .stores import Store
from .watching_moves import Moves

Document = dict[str, Any]
WAITING_MAX: Final = 1000
ALIVE_S: Final = 10.0


async def watch(stores: tuple[Store, Store], request: web.Request) -> web.StreamResponse:
    """GET /v1/watch[?network=NETWORK]: answers until the client goes."""
    queue: asyncio.Queue[Document] = asyncio.Queue(WAITING_MAX)
    lost = asyncio.Event()
    wanted = request.query.get("network")
    moves = Moves(store.source(stores[1]))

    def note(changes: list[Change]) -> None:
        for event in (one for change in changes for one in (*events_of(change), *moves.events(change))):
            if wanted in (None, event.get("network")):
                try:
                    queue.put_nowait(event)
                except asyncio.QueueFull:
                    lost.set()

    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    ends = [one.subscribe(note) for one in stores]
    try:
        await response.prepare(request)
        await response.write(b"\n")
        with contextlib.suppress(ConnectionError):
            await _send(response, queue, lost)
    finally:
        for end in ends:
            end()
    return response


async def _send(response: web.StreamResponse, queue: asyncio.Queue[Document], lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            event = await asyncio.wait_for(queue.get(), ALIVE_S)
        except TimeoutError:
            await response.write(b"\n")  # so that a client that is gone is noticed
            continue
        await response.write(orjson.dumps(event) + b"\n")
    await response.write(orjson.dumps({"event": "lost", "reason": "the listener did not keep up"}) + b"\n")


def events_of(change: Change) -> Iterator[Document]:
    """What the change of a row means, in the past tense."""
    old, new = change.old, change.new
    if change.table == "Change" and old is None and new is not None:
        yield {"event": "changed", **history_document(new)}
    elif change.table == "Snapshot" and old is None and new is not None:
        yield {"event": "kept", **snapshot_document(new)}
    elif change.table == "Snapshot" and old is not None and new is None:
        yield {"event": "forgotten", "network": old["network"], "name": old["name"]}
    elif change.table == "Binding":
        yield from _binding_events(change)
    elif change.table == "Node":
        yield from _node_events(change)


def _binding_events(change: Change) -> Iterator[Document]:
    row = change.new or change.old
    assert row is not None
    event = "released" if change.new is None else "bound"
    if change.old is None or change.new is None or change.old["node"] != change.new["node"]:
        yield {"event": event, "network": row["network"], "port": row["port"], "node": row["node"]}


def _node_events(change: Change) -> Iterator[Document]:
    old, new = change.old, change.new
    row = new or old
    assert row is not None
    if "applied" not in row:
        return  # a declaration, in the database of intent
    if old is None or new is None:
        yield {"event": "registered" if old is None else "left", "node": row["name"]}
    before, after = (one["applied"] if one is not None else {} for one in (old, new))
    for network, generation in sorted(after.items()):
        if before.get(network) != generation:
            yield {"event": "applied", "node": row["name"], "network": network, "generation": generation}
    for network in sorted(before.keys() - after.keys()):
        yield {"event": "let go", "node": row["name"], "network": network}
