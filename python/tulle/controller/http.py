"""The API: HTTP and JSON on a unix socket.  Answers 200 only when a change is on the disk.

Errors are `{"error": {"kind", "code", "message", "where"}}` with the status of their kind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
import orjson
import structlog
from aiohttp import web

from tulle.errors import Conflict, InvalidInput, NotFound, ProtocolError, TulleError, Unavailable

from .backups import Backups
from .intent import Applied, Intent
from .listing import Listing, change_document, snapshot_document
from .progress import wait_applied
from .stores import Store
from .tracing import Tracer

_logger = structlog.get_logger(__name__)
MAX_BODY_BYTES: Final = 16 << 20
RESTORE_BYTES_MAX: Final = 1 << 30
MAX_WAIT_S: Final = 3600.0
STATUSES: Final[dict[type[TulleError], int]] = {
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    ProtocolError: 502,
    Unavailable: 503,
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body")


class ApplyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A file to apply; `filename` is for errors."""

    text: str
    filename: str = "input"
    dry_run: bool = False


class SnapshotRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The name for a snapshot, or None for the next free one."""

    name: str | None = None


class RollbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The snapshot to roll back to."""

    snapshot: str


class MoveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Where a port is to go."""

    node: str


class PreferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Encapsulations, best first; none leaves the choice to others."""

    encapsulations: tuple[str, ...]


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
        now_ms: Callable[[], int],
    ) -> None:
        self._stores = stores
        self._intent = intent
        self._listing = listing
        self._tracer = tracer
        self._backups = Backups(stores, intent)
        self._now_ms = now_ms

    def application(self) -> web.Application:
        """The routes under `/v1`."""
        application = web.Application(middlewares=[_answer_errors], client_max_size=MAX_BODY_BYTES)
        network, port = "/v1/networks/{network}", "/v1/networks/{network}/ports/{port}"
        snapshots = f"{network}/snapshots"
        application.add_routes(
            [
                web.post("/v1/apply", self.apply),
                web.post("/v1/wait", self.wait),
                web.get("/v1/networks", self.networks),
                web.get(network, self.network),
                web.delete(network, self.delete_network),
                web.get(snapshots, self.snapshots),
                web.post(snapshots, self.snapshot),
                web.delete(snapshots + "/{snapshot}", self.delete_snapshot),
                web.get(f"{network}/diff", self.diff),
                web.post(f"{network}/rollback", self.rollback),
                web.post(f"{network}/trace", self.trace),
                web.post(f"{network}/encapsulations", self.prefer),
                web.post(f"{port}/move", self.move),
                web.get("/v1/ports", self.ports),
                web.get("/v1/nodes", self.nodes),
                web.delete("/v1/nodes/{node}", self.forget_node),
                web.post("/v1/nodes/{node}/encapsulations", self.prefer_at),
                web.get("/v1/tunnels", self.tunnels),
                web.get("/v1/drops", self.drops),
                web.get("/v1/counters", self.counters),
                web.get("/v1/backup", self.backup),
                web.post("/v1/restore", self.restore),
            ]
        )
        return application

    async def apply(self, request: web.Request) -> web.Response:
        """POST /v1/apply."""
        body = await _body(request, ApplyRequest)
        return _applied(await self._intent.apply(body.text, body.filename, dry_run=body.dry_run))

    async def wait(self, request: web.Request) -> web.Response:
        """POST /v1/wait: answers when every node has applied these generations."""
        body = await _body(request, WaitRequest)
        if not 0 < body.timeout_s <= MAX_WAIT_S:
            raise InvalidInput(f"a timeout of up to {MAX_WAIT_S:g} s was expected, {body.timeout_s} came")
        await wait_applied(*self._stores, body.networks, body.timeout_s)
        return _json({})

    async def networks(self, _request: web.Request) -> web.Response:
        """GET /v1/networks."""
        return _json({"networks": self._listing.networks()})

    async def network(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK."""
        return _json(self._listing.network(self._intent.network(_part(request, "network"))))

    async def delete_network(self, request: web.Request) -> web.Response:
        """DELETE /v1/networks/NETWORK."""
        return _applied(await self._intent.delete(_part(request, "network")))

    async def snapshots(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/snapshots."""
        rows = self._intent.snapshots(_part(request, "network"))
        return _json({"snapshots": [snapshot_document(row) for row in rows]})

    async def snapshot(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/snapshots."""
        body = await _body(request, SnapshotRequest)
        row = await self._intent.snapshot(_part(request, "network"), body.name)
        return _json({"snapshot": snapshot_document(row)})

    async def delete_snapshot(self, request: web.Request) -> web.Response:
        """DELETE /v1/networks/NETWORK/snapshots/SNAPSHOT."""
        await self._intent.delete_snapshot(_part(request, "network"), _part(request, "snapshot"))
        return _json({})

    async def diff(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/diff?from=SNAPSHOT[&to=SNAPSHOT]."""
        if "from" not in request.query:
            raise InvalidInput("from=SNAPSHOT was expected")
        old, new = request.query["from"], request.query.get("to")
        found = self._intent.diff(_part(request, "network"), old, new)
        return _json({"changes": [change_document(change) for change in found]})

    async def rollback(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/rollback."""
        body = await _body(request, RollbackRequest)
        return _applied(await self._intent.rollback(_part(request, "network"), body.snapshot))

    async def trace(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/trace."""
        body = await _body(request, TraceRequest)
        stored = self._intent.network(_part(request, "network"))
        return _json(await self._tracer.trace(stored.network, body.port, body.match))

    async def move(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/ports/PORT/move."""
        body = await _body(request, MoveRequest)
        return _applied(await self._intent.move(_part(request, "network"), _part(request, "port"), body.node))

    async def prefer(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/encapsulations."""
        body = await _body(request, PreferRequest)
        return _applied(await self._intent.prefer(_part(request, "network"), body.encapsulations))

    async def prefer_at(self, request: web.Request) -> web.Response:
        """POST /v1/nodes/NODE/encapsulations."""
        body = await _body(request, PreferRequest)
        return _applied(await self._intent.prefer_at(_part(request, "node"), body.encapsulations))

    async def ports(self, request: web.Request) -> web.Response:
        """GET /v1/ports[?network=NETWORK]."""
        return _json({"ports": self._listing.ports(request.query.get("network"))})

    async def nodes(self, _request: web.Request) -> web.Response:
        """GET /v1/nodes."""
        return _json({"nodes": self._listing.nodes()})

    async def forget_node(self, request: web.Request) -> web.Response:
        """DELETE /v1/nodes/NODE."""
        name = _part(request, "node")
        if self._listing.is_connected(name):
            raise Conflict(f"the agent of node {name} is connected; end it first")
        await self._intent.forget_node(name)
        return _json({})

    async def tunnels(self, _request: web.Request) -> web.Response:
        """GET /v1/tunnels."""
        return _json({"tunnels": self._listing.tunnels()})

    async def drops(self, request: web.Request) -> web.Response:
        """GET /v1/drops[?node=NODE]."""
        return _json({"drops": self._listing.drops(request.query.get("node"))})

    async def counters(self, request: web.Request) -> web.Response:
        """GET /v1/counters[?network=NETWORK]."""
        return _json({"counters": self._listing.counters(request.query.get("network"))})

    async def backup(self, _request: web.Request) -> web.Response:
        """GET /v1/backup: a tar file."""
        return web.Response(body=self._backups.pack(self._now_ms()), content_type="application/x-tar")

    async def restore(self, request: web.Request) -> web.Response:
        """POST /v1/restore: the body is such a tar file."""
        if (request.content_length or 0) > RESTORE_BYTES_MAX:
            raise InvalidInput(f"a backup of up to {RESTORE_BYTES_MAX} bytes was expected")
        data = bytearray()
        async for part in request.content.iter_any():
            data += part
            if len(data) > RESTORE_BYTES_MAX:
                raise InvalidInput(f"a backup of up to {RESTORE_BYTES_MAX} bytes was expected")
        operations = await self._backups.restore(bytes(data))
        generations = {name: stored.generation for name, stored in self._intent.networks().items()}
        return _json({"operations": operations, "generations": generations})


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except TulleError as error:
        return _error(error)
    except web.HTTPException as error:
        kind = NotFound if error.status == 404 else InvalidInput
        return _error(kind(f"{request.method} {request.path}: {error.reason}"), error.status)
    except Exception as error:
        _logger.exception("a request failed", path=request.path)
        return _error(TulleError(f"the controller failed: {error!r}; its log says more", code="internal"))


async def _body(request: web.Request, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body of {request.method} {request.path}: {error}") from None


def _part(request: web.Request, name: str) -> str:
    return request.match_info[name]


def _applied(applied: Applied) -> web.Response:
    changes = [change_document(change) for change in applied.changes]
    return _json({"changes": changes, "generations": applied.generations, "kept": applied.kept})


def _error(error: TulleError, status: int | None = None) -> web.Response:
    kind = next((kind for kind in STATUSES if isinstance(error, kind)), TulleError)
    document = {"kind": kind.__name__, "code": error.code, "message": error.message, "where": error.where}
    return _json({"error": document}, status or STATUSES.get(kind, 500))


def _json(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
