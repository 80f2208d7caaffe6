"""Keeps workloads attached without blocking the event loop: one thread does it one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import structlog

from tulle.agent.attach import attach
from tulle.errors import TulleError, Unavailable
from tulle.values import Attachment


class Wanted(NamedTuple):
    """An attachment, its device, the device's index when the switch made it, and whether to send there."""

    attachment: Attachment
    device: str
    ifindex: int | None
    preferred: bool


_logger = structlog.get_logger(__name__)


class Attacher:
    """Knows what is attached; forgets it when told that devices may have changed."""

    def __init__(self, do: Callable[[Attachment, str, bool], None] = attach) -> None:
        self._do = do
        self._done: dict[str, Wanted] = {}
        self._failures: dict[str, str] = {}
        self._thread = ThreadPoolExecutor(1, "attach")

    async def update(self, wanted: Mapping[str, Wanted]) -> frozenset[str]:
        """Attach what is not; the ports (`network/port`) that are attached then."""
        loop = asyncio.get_running_loop()
        self._done = {port: done for port, done in self._done.items() if port in wanted}
        self._failures = {port: error for port, error in self._failures.items() if port in wanted}
        for port, one in wanted.items():
            if self._done.get(port) == one:
                continue
            try:
                await loop.run_in_executor(self._thread, self._try, one)
            except TulleError as error:
                self._fail(port, str(error))
            else:
                self._done[port] = one
                self._failures.pop(port, None)
                _logger.info("attached", port=port, device=one.device, namespace=one.attachment.namespace)
        return frozenset(self._done)

    @property
    def failed(self) -> bool:
        """Whether something is to be tried again."""
        return bool(self._failures)

    @property
    def failures(self) -> dict[str, str]:
        """Why ports (`network/port`) are not attached."""
        return dict(self._failures)

    def forget(self) -> None:
        """Look at everything again at the next update."""
        self._done.clear()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _try(self, one: Wanted) -> None:
        """Attach one; whatever goes wrong is its own matter and does not keep others from being attached."""
        try:
            self._do(one.attachment, one.device, one.preferred)
        except TulleError:
            raise
        except Exception as error:
            raise Unavailable(f"cannot attach {one.device}: {error!r}") from error

    def _fail(self, port: str, error: str) -> None:
        self._done.pop(port, None)
        if self._failures.get(port) != error:
            _logger.warning("not attached", port=port, error=error)
        self._failures[port] = error
