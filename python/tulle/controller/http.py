"""The API: HTTP and JSON on a unix socket.  Answers 200 only when a change is on the disk.

Errors are `{"error": {"kind", "code", "message", "where"}}` with the status of their kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from tulle.errors import Conflict, InvalidInput

from .asking import Asker
from .backups import Backups
from .http_base import answer_errors, body, json_answer, part
from .http_inspection import InspectionRoutes
from .http_moving import MovingRoutes
from .http_networks import NetworkRoutes
from .inspection import Inspection
from .intent import Intent
from .listing import Listing
from .live import LiveTracer
from .moving import Moving
from .progress import wait_applied
from .stores import Store
from .tracing import Tracer
from .watching import watch

MAX_BODY_BYTES: Final = 16 << 20
RESTORE_BYTES_MAX: Final = 1 << 30
MAX_WAIT_S: Final = 3600.0


class TraceRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to trace, from a port."""

    port: str
    match: str


class WaitRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which generation of which network to wait for, and how long in seconds."""

    networks: dict[str, int]
    timeout_s: float = 30.0


class Api:
    """The handlers, one a route."""

    def __init__(
        self,
        stores: tuple[Store, Store],
        intent: Intent,
        listing: Listing,
        tracer: Tracer,
        asker: Asker,
        now_ms: Callable[[], int],
        moving: Moving,
        new_id: Callable[[], str],
    ) -> None:
        self._stores = stores
        self._intent = intent
        self._listing = listing
        self._tracer = tracer
        self._backups = Backups(stores, intent)
        self._now_ms = now_ms
        live = LiveTracer(listing, tracer, asker, new_id)
        self._inspection = InspectionRoutes(stores, intent, Inspection(listing, tracer, asker), live)
        self._networks = NetworkRoutes(stores, intent, moving)
        self._moving = MovingRoutes(moving, listing.is_connected)

    def application(self) -> web.Application:
        """The routes under `/v1`."""
        application = web.Application(middlewares=[answer_errors], client_max_size=MAX_BODY_BYTES)
        network = "/v1/networks/{network}"
        application.add_routes(
            [
                web.post("/v1/wait", self.wait),
                web.get("/v1/networks", self.networks),
                web.get(network, self.network),
                web.post(f"{network}/trace", self.trace),
                web.get("/v1/watch", self.watch),
                web.get("/v1/ports", self.ports),
                web.get(f"{network}/ports/{{port}}", self.port),
                web.get("/v1/nodes", self.nodes),
                web.delete("/v1/nodes/{node}", self.forget_node),
                web.get("/v1/tunnels", self.tunnels),
                web.get("/v1/drops", self.drops),
                web.get("/v1/counters", self.counters),
                web.get("/v1/totals", self.totals),
                web.get("/v1/backends", self.backends),
                web.get("/v1/appliances", self.appliances),
                web.get("/v1/backup", self.backup),
                web.post("/v1/restore", self.restore),
            ]
        )
        application.add_routes(self._networks.routes())
        application.add_routes(self._inspection.routes())
        application.add_routes(self._moving.routes())
        return application

    async def wait(self, request: web.Request) -> web.Response:
        """POST /v1/wait: answers when every node has applied these generations."""
        given = await body(request, WaitRequest)
        if not 0 < given.timeout_s <= MAX_WAIT_S:
            raise InvalidInput(f"a timeout of up to {MAX_WAIT_S:g} s was expected, {given.timeout_s} came")
        await wait_applied(*self._stores, given.networks, given.timeout_s)
        return json_answer({})

    async def networks(self, _request: web.Request) -> web.Response:
        """GET /v1/networks."""
        return json_answer({"networks": self._listing.networks()})

    async def network(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK."""
        return json_answer(self._listing.network(self._intent.network(part(request, "network"))))

    async def trace(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/trace."""
        given = await body(request, TraceRequest)
        stored = self._intent.network(part(request, "network"))
        return json_answer(await self._tracer.trace(stored.network, given.port, given.match))

    async def ports(self, request: web.Request) -> web.Response:
        """GET /v1/ports[?network=NETWORK]."""
        return json_answer({"ports": self._listing.ports(request.query.get("network"))})

    async def port(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/ports/PORT."""
        stored = self._intent.network(part(request, "network"))
        return json_answer(self._listing.port(stored, part(request, "port")))

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/watch[?network=NETWORK]: what happens, one JSON object a line."""
        return await watch(self._stores, request)

    async def nodes(self, _request: web.Request) -> web.Response:
        """GET /v1/nodes."""
        return json_answer({"nodes": self._listing.nodes()})

    async def forget_node(self, request: web.Request) -> web.Response:
        """DELETE /v1/nodes/NODE."""
        name = part(request, "node")
        if self._listing.is_connected(name):
            raise Conflict(f"the agent of node {name} is connected; end it first")
        await self._intent.forget_node(name)
        return json_answer({})

    async def tunnels(self, _request: web.Request) -> web.Response:
        """GET /v1/tunnels."""
        return json_answer({"tunnels": self._listing.tunnels()})

    async def appliances(self, request: web.Request) -> web.Response:
        """GET /v1/appliances[?network=NETWORK]."""
        return json_answer({"appliances": self._listing.appliances(request.query.get("network"))})

    async def drops(self, request: web.Request) -> web.Response:
        """GET /v1/drops[?node=NODE]."""
        return json_answer({"drops": self._listing.drops(request.query.get("node"))})

    async def counters(self, request: web.Request) -> web.Response:
        """GET /v1/counters[?network=NETWORK]."""
        return json_answer({"counters": self._listing.counters(request.query.get("network"))})

    async def totals(self, request: web.Request) -> web.Response:
        """GET /v1/totals[?network=NETWORK]."""
        return json_answer({"totals": self._listing.totals(request.query.get("network"))})

    async def backends(self, request: web.Request) -> web.Response:
        """GET /v1/backends[?network=NETWORK]."""
        return json_answer({"backends": self._listing.backends(request.query.get("network"))})

    async def backup(self, _request: web.Request) -> web.Response:
        """GET /v1/backup: a tar file."""
        return web.Response(body=self._backups.pack(self._now_ms()), content_type="application/x-tar")

    async def restore(self, request: web.Request) -> web.Response:
        """POST /v1/restore: the body is such a tar file."""
        if (request.content_length or 0) > RESTORE_BYTES_MAX:
            raise InvalidInput(f"a backup of up to {RESTORE_BYTES_MAX} bytes was expected")
        data = bytearray()
        async for chunk in request.content.iter_any():
            data += chunk
            if len(data) > RESTORE_BYTES_MAX:
                raise InvalidInput(f"a backup of up to {RESTORE_BYTES_MAX} bytes was expected")
        operations = await self._backups.restore(bytes(data))
        generations = {name: stored.generation for name, stored in self._intent.networks().items()}
        return json_answer({"operations": operations, "generations": generations})
