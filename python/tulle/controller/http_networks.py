"""The routes that change whole networks, and those that tell how networks were."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from aiohttp import web

from tulle import store
from tulle.errors import InvalidInput
from tulle.logical import Edit, Place, emit_file
from tulle.values import LabFile

from .asked import Applied
from .consequences import consequences, read_world
from .http_base import ChangeRequest, Kept, asked, body, json_answer, part
from .intent import Intent
from .listing import change_document, history_document, snapshot_document
from .moving import Moving
from .stores import Store


class ApplyRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """A file to apply; `filename` is for errors."""

    text: str
    filename: Kept = "input"


class EditRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """Members to put or remove, one after the other."""

    edits: tuple[Edit, ...]


class ImportRequest(ApplyRequest, forbid_unknown_fields=True, kw_only=True):
    """A file with one network; `places` None leaves its ports where the file puts them."""

    name: str | None = None
    places: dict[str, Place] | None = None


class CloneRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """The name of the copy, where its ports are to be, and of which snapshot or change; None is now."""

    name: str
    places: dict[str, Place] = msgspec.field(default_factory=dict)
    at: str | None = None


class RenameRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """The new name."""

    name: str


class SnapshotRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """The name for a snapshot, or None for the next free one."""

    name: str | None = None


class RollbackRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """The snapshot, or the number of the change, to roll back to."""

    snapshot: str


class MoveRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """Where a port is to go."""

    node: str


class PreferRequest(ChangeRequest, forbid_unknown_fields=True, kw_only=True):
    """Encapsulations, best first; none leaves the choice to others."""

    encapsulations: tuple[str, ...]


class PreferAtRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The same for a node."""

    encapsulations: tuple[str, ...]


class DiffRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A file to compare the present network with."""

    text: str
    filename: str = "input"


class NetworkRoutes:
    """One handler a route; every change answers what it did, or with `dry_run` what it would do."""

    def __init__(self, stores: tuple[Store, Store], intent: Intent, moving: Moving) -> None:
        self._sources = store.source(stores[0]), store.source(stores[1])
        self._intent = intent
        self._moving = moving

    def routes(self) -> Iterable[web.RouteDef]:
        """All of them."""
        network = "/v1/networks/{network}"
        snapshots = f"{network}/snapshots"
        return [
            web.post("/v1/apply", self.apply),
            web.get(f"{network}/generation", self.generation),
            web.post(f"{network}/edit", self.edit),
            web.post("/v1/import", self.bring_in),
            web.delete(network, self.delete),
            web.post(f"{network}/clone", self.clone),
            web.post(f"{network}/rename", self.rename),
            web.post(f"{network}/pause", self.pause),
            web.post(f"{network}/resume", self.resume),
            web.post(f"{network}/rollback", self.rollback),
            web.post(f"{network}/ports/{{port}}/move", self.move),
            web.post(f"{network}/encapsulations", self.prefer),
            web.post("/v1/nodes/{node}/encapsulations", self.prefer_at),
            web.get(snapshots, self.snapshots),
            web.post(snapshots, self.snapshot),
            web.delete(f"{snapshots}/{{snapshot}}", self.delete_snapshot),
            web.get(f"{network}/history", self.history),
            web.get(f"{network}/diff", self.diff),
            web.post(f"{network}/diff", self.diff_file),
            web.get(f"{network}/export", self.export),
        ]

    async def apply(self, request: web.Request) -> web.Response:
        """POST /v1/apply."""
        given = await body(request, ApplyRequest)
        applied = await self._intent.apply(given.text, given.filename, asked(request, given))
        return await self._answer(applied, given)

    async def bring_in(self, request: web.Request) -> web.Response:
        """POST /v1/import: the network of a file as a new one."""
        given = await body(request, ImportRequest)
        by = asked(request, given)
        applied = await self._intent.bring_in(given.text, given.filename, given.name, given.places, by)
        return await self._answer(applied, given)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v1/networks/NETWORK."""
        given = await body(request, ChangeRequest)
        applied = await self._intent.delete(part(request, "network"), asked(request, given))
        return await self._answer(applied, given)

    async def clone(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/clone."""
        given, name = await body(request, CloneRequest), part(request, "network")
        by = asked(request, given)
        return await self._answer(
            await self._intent.clone(name, given.name, given.places, given.at, by), given
        )

    async def rename(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/rename."""
        given = await body(request, RenameRequest)
        applied = await self._intent.rename(part(request, "network"), given.name, asked(request, given))
        return await self._answer(applied, given)

    async def pause(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/pause."""
        return await self._pause(request, paused=True)

    async def resume(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/resume."""
        return await self._pause(request, paused=False)

    async def _pause(self, request: web.Request, *, paused: bool) -> web.Response:
        given = await body(request, ChangeRequest)
        applied = await self._intent.pause(part(request, "network"), paused, asked(request, given))
        return await self._answer(applied, given)

    async def rollback(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/rollback."""
        given = await body(request, RollbackRequest)
        applied = await self._intent.rollback(part(request, "network"), given.snapshot, asked(request, given))
        return await self._answer(applied, given)

    async def move(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/ports/PORT/move."""
        given = await body(request, MoveRequest)
        network, port = part(request, "network"), part(request, "port")
        return await self._answer(
            await self._moving.move(network, port, given.node, asked(request, given)), given
        )

    async def prefer(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/encapsulations."""
        given, name = await body(request, PreferRequest), part(request, "network")
        applied = await self._intent.prefer(name, given.encapsulations, asked(request, given))
        return await self._answer(applied, given)

    async def prefer_at(self, request: web.Request) -> web.Response:
        """POST /v1/nodes/NODE/encapsulations."""
        given = await body(request, PreferAtRequest)
        applied = await self._intent.prefer_at(part(request, "node"), given.encapsulations)
        return await self._answer(applied, ChangeRequest())

    async def generation(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/generation."""
        return json_answer({"generation": self._intent.network(part(request, "network")).generation})

    async def edit(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/edit."""
        given, name = await body(request, EditRequest), part(request, "network")
        return await self._answer(await self._intent.edit(name, given.edits, asked(request, given)), given)

    async def snapshots(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/snapshots."""
        rows = self._intent.snapshots(part(request, "network"))
        return json_answer({"snapshots": [snapshot_document(row) for row in rows]})

    async def snapshot(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/snapshots."""
        given = await body(request, SnapshotRequest)
        row = await self._intent.snapshot(part(request, "network"), given.name, asked(request, given))
        return json_answer({"snapshot": snapshot_document(row)})

    async def delete_snapshot(self, request: web.Request) -> web.Response:
        """DELETE /v1/networks/NETWORK/snapshots/SNAPSHOT."""
        await self._intent.delete_snapshot(part(request, "network"), part(request, "snapshot"))
        return json_answer({})

    async def history(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/history."""
        rows = self._intent.history(part(request, "network"))
        return json_answer({"history": [history_document(row) for row in rows]})

    async def diff(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/diff?from=SNAPSHOT[&to=SNAPSHOT]; either may be the number of a change."""
        if "from" not in request.query:
            raise InvalidInput("from=SNAPSHOT was expected")
        old, new = request.query["from"], request.query.get("to")
        found = self._intent.diff(part(request, "network"), old, new)
        return json_answer({"changes": [change_document(change) for change in found]})

    async def diff_file(self, request: web.Request) -> web.Response:
        """POST /v1/networks/NETWORK/diff: from the present network to that of a file."""
        given = await body(request, DiffRequest)
        found = self._intent.diff_file(part(request, "network"), given.text, given.filename)
        return json_answer({"changes": [change_document(change) for change in found]})

    async def export(self, request: web.Request) -> web.Response:
        """GET /v1/networks/NETWORK/export[?at=SNAPSHOT]: the text of a file."""
        name, at = part(request, "network"), request.query.get("at")
        if at is not None:
            return json_answer({"text": emit_file(LabFile((self._intent.was(name, at),)))})
        stored = self._intent.network(name)
        document = LabFile((stored.network,), generations={name: stored.generation})
        return json_answer({"text": emit_file(document)})

    async def _answer(self, applied: Applied, given: ChangeRequest) -> web.Response:
        answer = {
            "changes": [change_document(change) for change in applied.changes],
            "generations": applied.generations,
            "kept": applied.kept,
            "undo": applied.undo,
        }
        if given.dry_run:
            world = read_world(*self._sources)
            answer["plan"] = await asyncio.to_thread(consequences, world, applied.pairs)
        return json_answer(answer)
