"""What the active controller does, on either kind of store: the reaction, and the API on its socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from errno import EADDRINUSE
from os import strerror
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from tulle import store
from tulle.errors import Unavailable

from .asking import Asker
from .heartbeat import Heartbeats
from .http import Api
from .intent import Intent
from .listing import Listing
from .moving import Moving
from .reaction import Reaction
from .stores import Store, grant_agent_role
from .tracing import Tracer
from .turning import Turning

Stores = tuple[Store, Store]
BIND_RETRY_S = 0.1


@asynccontextmanager
async def active(stores: Stores, api: Path, patience_s: float = 0.0) -> AsyncIterator[None]:
    """React and serve the API while the context lasts.

    `patience_s`: how long to wait for another controller to leave the socket; raises `Unavailable` then.
    """
    async with AsyncExitStack() as stack:
        await grant_agent_role(stores[1])
        reaction = Reaction(*stores)
        reaction.start()
        stack.callback(reaction.stop)
        await reaction.catch_up()
        turning = Turning(*stores, time.monotonic)
        turning.start()
        stack.callback(turning.stop)
        await stack.enter_async_context(background(reaction.run()))
        await stack.enter_async_context(background(turning.run()))
        intent = Intent(*stores, _now)
        moving = Moving(intent, stores[1])
        await stack.enter_async_context(background(moving.run()))
        await _serve_api(stack, api, _api(stack, stores, intent, moving), patience_s)
        yield


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on while the context lasts."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _serve_api(stack: AsyncExitStack, path: Path, offered: Api, patience_s: float) -> None:
    runner = web.AppRunner(offered.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        bound = await _bind(path, patience_s)
        stack.callback(_remove, path, path.stat().st_ino)
        await web.SockSite(runner, bound).start()
    except OSError as error:
        raise Unavailable(f"cannot listen at {path}: {error}") from error


async def _bind(path: Path, patience_s: float) -> socket.socket:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _bound_socket(path)
        except OSError:
            if time.monotonic() >= deadline:
                raise
            await asyncio.sleep(BIND_RETRY_S)


def _remove(path: Path, inode: int) -> None:
    """Remove the socket, unless another controller's is there by now."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def _bound_socket(path: Path) -> socket.socket:
    """A socket that only this user may use; one that a dead controller left is removed."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise OSError(EADDRINUSE, strerror(EADDRINUSE))
        path.unlink()
    made = socket.socket(socket.AF_UNIX)
    try:
        made.bind(str(path))
        path.chmod(0o600)
    except OSError:
        made.close()
        raise
    return made


def _api(stack: AsyncExitStack, stores: Stores, intended: Intent, moving: Moving) -> Api:
    intent, state = stores
    heartbeats = Heartbeats(state, time.monotonic)
    stack.callback(heartbeats.stop)
    listing = Listing(store.source(intent), store.source(state), heartbeats.connected)
    tracer = Tracer(state, _new_id, _emit_frame)
    return Api(stores, intended, listing, tracer, Asker(state, _new_id), _now_ms, moving, _new_id)


def _new_id() -> str:
    return str(uuid4())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _emit_frame(match: str) -> bytes:
    from tulle import _native  # built apart; only a trace needs it

    return _native.emit_frame(match)
