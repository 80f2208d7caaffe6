"""The flows of the switch as the agent knows them, so that only differences are sent.

After each connection the switch is asked what it has: a new agent finds the old one's flows in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import structlog

from tulle._native import NativeError
from tulle.openflow import FlowRefused, OpenFlowClient, changes, flow_key
from tulle.openflow.changes import FlowChanges
from tulle.openflow.meters import emit_meter_deletions, emit_meters

_logger = structlog.get_logger(__name__)


class FlowTable:
    """`apply` makes the switch have these flows and no others."""

    def __init__(self, client: OpenFlowClient, canonical: Callable[[str], str]) -> None:
        self._client = client
        self._canonical = canonical
        self._installed: dict[str, str] | None = None
        self._meters: dict[int, int] = {}
        self._unsent: frozenset[str] | None = None
        """Keys that may be others than installed; None where all may be."""

    def forget(self) -> None:
        """The connection is new: what the switch has is not known any more."""
        self._installed = None
        self._meters = {}

    async def apply(
        self,
        desired: Mapping[str, str],
        meters: Mapping[int, int] | None = None,
        changed: Collection[str] | None = None,
    ) -> None:
        """Return when the switch has them; raises `Unavailable`, or `FlowRefused`.

        `meters` (number: packets a second) are made before the flows that use them, and go after them.
        `changed` are the keys that may be others than in the last `desired`; None where all may be.
        """
        self._unsent = None if changed is None or self._unsent is None else self._unsent.union(changed)
        wanted = dict(meters or {})
        if added := emit_meters(self._meters, wanted):
            self._client.send_raw(added)
        await self._apply_flows(desired)
        if removed := sorted(self._meters.keys() - wanted.keys()):
            self._client.send_raw(emit_meter_deletions(removed))
        self._meters = wanted

    async def _apply_flows(self, desired: Mapping[str, str]) -> None:
        (installed, self._installed), changed = (self._installed, None), self._unsent
        if installed is None:
            installed, changed = await self._dump(), None
        before, after = installed, desired
        if changed is not None:
            before = {key: installed[key] for key in changed if key in installed}
            after = {key: desired[key] for key in changed if key in desired}
        todo = changes(before, after)
        if todo.commands:
            await self._send(todo)
        if changed is None:
            installed = dict(desired)
        else:
            for key in before.keys() - after.keys():
                del installed[key]
            installed.update(after)
        self._installed, self._unsent = installed, frozenset()

    async def _send(self, todo: FlowChanges) -> None:
        _logger.info("flows", add=len(todo.add), modify=len(todo.modify), delete=len(todo.delete))
        try:
            await self._client.change(todo.commands)
        except FlowRefused as error:
            _logger.error("flows refused", error=str(error))
            raise

    async def _dump(self) -> dict[str, str]:
        found = {}
        for flow in await self._client.dump():
            try:
                text = self._canonical(flow.text)
            except NativeError:
                text = flow.text
            found[flow_key(text)] = text
        return found
