"""Answers `follow` and `followed`: starts pursuits of packets, and tells what they have seen."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from msgspec import Struct

from tulle.agent.capturing import Places
from tulle.agent.sightings import Pursuit, pursuit_request
from tulle.errors import Conflict, InvalidInput, NotFound

PURSUITS_MAX: Final = 3
KEPT_S: Final = 60.0
"""How long what was seen is kept for somebody who does not ask for it."""
POLL_S: Final = 0.05

Document = dict[str, Any]


class FollowedRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which pursuit, and of which packets; without `digests`, of those that have entered here, once it is over."""

    id: str
    digests: list[str] | None = None


class Pursuits:
    """Those of one node, by their ids."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PURSUITS_MAX, "pursuit")
        self._known: dict[str, tuple[Pursuit, float]] = {}

    async def follow(self, arguments: Document, places: Places) -> Document:
        """Begin one; answers when everything is watched."""
        request = pursuit_request(arguments)
        self._forget_old(time.monotonic())
        if len(self._known) >= PURSUITS_MAX:
            raise Conflict(f"{PURSUITS_MAX} live traces are going on already")
        pursuit, began = Pursuit(request), asyncio.Event()
        loop = asyncio.get_running_loop()
        self._known[request.id] = pursuit, time.monotonic() + request.seconds + KEPT_S
        running = loop.run_in_executor(
            self._threads, pursuit.run, places, lambda: loop.call_soon_threadsafe(began.set)
        )
        waiting = asyncio.create_task(began.wait())
        try:
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if running.done():
            self._known.pop(request.id, None)
            await running  # what it raised
        return {"following": request.id}

    async def followed(self, arguments: Document) -> Document:
        """What one has seen, after its end; with `digests` it ends now."""
        try:
            request = msgspec.convert(arguments, FollowedRequest)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"trace: {error}") from None
        pursuit, _ = self._known.get(request.id, (None, 0.0))
        if pursuit is None:
            raise NotFound("its agent follows nothing of the kind any more")
        if request.digests is not None:
            pursuit.end()
        while not pursuit.done.is_set():
            await asyncio.sleep(POLL_S)
        self._known.pop(request.id, None)
        return await asyncio.to_thread(pursuit.answer, request.digests)

    def close(self) -> None:
        """End all of them, so that nobody waits for their threads."""
        for pursuit, _ in self._known.values():
            pursuit.end()

    def _forget_old(self, now: float) -> None:
        self._known = {id: one for id, one in self._known.items() if one[1] > now}
