"""The flows of the switch as the agent knows them, so that only differences are sent.

After each connection the switch is asked what it has: a new agent finds the old one's flows in place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from tulle._native import NativeError
from tulle.openflow import DumpedFlow, FlowRefused, OpenFlowClient, changes, flow_key
from tulle.openflow.flows import flow_table
from tulle.openflow.meters import emit_meter_deletions, emit_meters
from tulle.values import pipeline

COUNTED_OF_PORTS = (pipeline.PHYSICAL_INGRESS, pipeline.DELIVER)
_logger = structlog.get_logger(__name__)


class FlowTable:
    """`apply` makes the switch have these flows and no others.

    `before_deletion` is given the flows with their counters before some of a port go.  Who else reads counters does so
    while holding `reading`, so that they are seen in the order in which they rise.
    """

    def __init__(
        self,
        client: OpenFlowClient,
        canonical: Callable[[str], str],
        before_deletion: Callable[[list[DumpedFlow]], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._canonical = canonical
        self._before_deletion = before_deletion
        self.reading = asyncio.Lock()
        self._installed: dict[str, str] | None = None
        self._meters: dict[int, int] = {}

    def forget(self) -> None:
        """The connection is new: what the switch has is not known any more."""
        self._installed = None
        self._meters = {}

    async def apply(self, desired: Mapping[str, str], meters: Mapping[int, int] | None = None) -> None:
        """Return when the switch has them; raises `Unavailable`, or `FlowRefused`.

        `meters` (number: packets a second) are made before the flows that use them, and go after them.
        """
        wanted = dict(meters or {})
        if added := emit_meters(self._meters, wanted):
            self._client.send_raw(added)
        await self._apply_flows(desired)
        if removed := sorted(self._meters.keys() - wanted.keys()):
            self._client.send_raw(emit_meter_deletions(removed))
        self._meters = wanted

    async def _apply_flows(self, desired: Mapping[str, str]) -> None:
        if self._installed is None:
            self._installed = await self._dump()
        todo = changes(self._installed, desired)
        if not todo.commands:
            return
        self._installed = None
        _logger.info("flows", add=len(todo.add), modify=len(todo.modify), delete=len(todo.delete))
        try:
            async with self.reading:
                if any(flow_table(flow) in COUNTED_OF_PORTS for flow in todo.delete):
                    self._before_deletion(await self._client.dump())
                await self._client.change(todo.commands)
        except FlowRefused as error:
            _logger.error("flows refused", error=str(error))
            raise
        self._installed = dict(desired)

    async def _dump(self) -> dict[str, str]:
        found = {}
        for flow in await self._client.dump():
            try:
                text = self._canonical(flow.text)
            except NativeError:
                text = flow.text
            found[flow_key(text)] = text
        return found
