"""Routes of ports on their way: move, prepare, drain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from aiohttp import web

from .asked import Applied
from .http_base import ChangeRequest, asked, body, json_answer, part
from .listing import change_document
from .moving import Moving


class PrepareRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """Which node is to be ready for a port, and how long in seconds the answer may wait until it is.

    `wait`: None waits where the node makes the port's device itself.
    """

    node: str
    wait: bool | None = None
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0


class DrainRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """Where the ports of a node are to go; None: where the fewest are."""

    to: str | None = None


class MovingRoutes:
    """One handler a route; `connected` tells whether a node's agent was heard of lately."""

    def __init__(self, moving: Moving, connected: Callable[[str], bool]) -> None:
        self._moving = moving
        self._connected = connected

    def routes(self) -> Iterable[web.RouteDef]:
        """All of them."""
        prepared = "/v1/networks/{network}/ports/{port}/prepare"
        return [
            web.post(prepared, self.prepare),
            web.delete(prepared, self.cancel),
            web.post("/v1/nodes/{node}/drain", self.drain),
        ]

    async def prepare(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/ports/PORT/prepare."""
        given = await body(request, PrepareRequest)
        port = part(request, "network"), part(request, "port")
        await self._moving.prepare(*port, given.node)
        waits = self._moving.is_made_there(*port) if given.wait is None else given.wait
        if waits:
            await self._moving.wait_ready(*port, given.node, given.timeout_s)
        return json_answer({"ready": waits})

    async def cancel(self, request: web.Request) -> web.Response:
        """DELETE /v1/networks/NETWORK/ports/PORT/prepare."""
        await self._moving.cancel(part(request, "network"), part(request, "port"))
        return json_answer({})

    async def drain(self, request: web.Request) -> web.Response:
        """POST /v1/nodes/NODE/drain."""
        given, node = await body(request, DrainRequest), part(request, "node")
        plan, done = await self._moving.drain(node, given.to, asked(request, given), self._connected)
        answer = {
            "moves": [
                {"network": one.network, "port": one.port, "to": one.target, "reason": one.reason}
                for one in plan
            ],
            "changes": [change_document(change) for one in done for change in one.changes],
            "generations": _generations(done),
            "dry_run": given.dry_run,
        }
        return json_answer(answer)


def _generations(done: Iterable[Applied]) -> dict[str, int]:
    return {name: number for one in done for name, number in one.generations.items()}
