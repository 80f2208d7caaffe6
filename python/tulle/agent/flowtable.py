"""The flows of the switch as the agent knows them, so that only differences are sent.

After each connection the switch is asked what it has: a new agent finds the old one's flows in place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from tulle._native import NativeError
from tulle.openflow import DumpedFlow, FlowRefused, OpenFlowClient, changes, flow_key
from tulle.openflow.changes import FlowChanges
from tulle.openflow.flows import flow_cookie, flow_table
from tulle.openflow.meters import emit_meter_deletions, emit_meters
from tulle.values import Limit, pipeline

GONE_MAX = 10_000
COUNTED_OF_PORTS = (pipeline.PHYSICAL_INGRESS, pipeline.DELIVER)
_MATCHED = re.compile(r"[ ,]metadata=(0x[0-9a-f]+)[ ,]")
_WRITTEN = re.compile(r"set_field:(0x[0-9a-f]+)->metadata")
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
        self._meters: dict[int, int | Limit] = {}
        self._unsent: frozenset[str] | None = None
        """Keys that may be others than installed; None where all may be."""
        self._gone: dict[str, DumpedFlow] = {}

    @property
    def gone(self) -> list[DumpedFlow]:
        """What flows of former versions had counted when they went, together by cookie, table and actions."""
        return list(self._gone.values())

    def forget(self) -> None:
        """The connection is new: what the switch has is not known any more."""
        self._installed = None
        self._meters = {}

    async def installed(self) -> dict[str, str]:
        """What the switch has, by flow key, asked anew."""
        return await self._dump()

    async def present(self) -> Mapping[str, str]:
        """What the switch has, by flow key."""
        return await self._present()

    async def _present(self) -> dict[str, str]:
        if self._installed is None:
            self._installed, self._unsent = await self._dump(), None
        return self._installed

    async def apply(
        self,
        desired: Mapping[str, str],
        meters: Mapping[int, int | Limit] | None = None,
        frozen: frozenset[int] = frozenset(),
        *,
        changed: Collection[str] | None = None,
        count_gone: bool = False,
    ) -> None:
        """Return when the switch has them; raises `Unavailable`, or `FlowRefused`.

        With `count_gone`, what is deleted has its counters kept in `gone`.
        Flows for packets whose `metadata` is one of `frozen` stay as they are.

        `meters` (number: packets a second, or a limit) are made before the flows that use them, and go after them.
        `changed` are the keys that may be others than in the last `desired`; None where all may be.
        """
        is_known = changed is not None and not frozen
        self._unsent = self._unsent.union(changed or ()) if is_known and self._unsent is not None else None
        wanted = dict(meters or {})
        if added := emit_meters(self._meters, wanted):
            self._client.send_raw(added)
        if frozen:
            desired = {**as_found(await self.present(), frozen), **desired}
        await self._apply_flows(desired, count_gone=count_gone)
        if frozen:
            self._unsent = None
        if removed := sorted(self._meters.keys() - wanted.keys()):
            self._client.send_raw(emit_meter_deletions(removed))
        self._meters = wanted

    async def _apply_flows(self, desired: Mapping[str, str], *, count_gone: bool) -> None:
        installed = await self._present()
        (self._installed, changed) = None, self._unsent
        before, after = installed, desired
        if changed is not None:
            before = {key: installed[key] for key in changed if key in installed}
            after = {key: desired[key] for key in changed if key in desired}
        todo = changes(before, after)
        if todo.commands:
            await self._send(todo, count_gone=count_gone)
        if changed is None:
            installed = dict(desired)
        else:
            for key in before.keys() - after.keys():
                del installed[key]
            installed.update(after)
        self._installed, self._unsent = installed, frozenset()

    async def _send(self, todo: FlowChanges, *, count_gone: bool) -> None:
        _logger.info("flows", add=len(todo.add), modify=len(todo.modify), delete=len(todo.delete))
        try:
            async with self.reading:
                await self._count_before(todo, count_gone=count_gone)
                await self._client.change(todo.commands)
        except FlowRefused as error:
            _logger.error("flows refused", error=str(error))
            raise

    async def _count_before(self, todo: FlowChanges, *, count_gone: bool) -> None:
        """Read the counters of what is about to go."""
        ports = any(flow_table(flow) in COUNTED_OF_PORTS for flow in todo.delete)
        if not (ports or (count_gone and todo.delete)):
            return
        flows = await self._client.dump()
        self._before_deletion(flows)
        if count_gone:
            self._count_gone(flows, frozenset(todo.delete))

    def _count_gone(self, flows: Iterable[DumpedFlow], keys: frozenset[str]) -> None:
        for one in flows:
            actions = one.text.rpartition(" actions=")[2]
            # Only where packets end is what is gone asked for, see `counters.flow_drops`.
            ends = one.packets and "resubmit" not in actions and len(self._gone) < GONE_MAX
            if ends and flow_key(self._canonical(one.text)) in keys:
                text = f"cookie={flow_cookie(one.text):#x},table={flow_table(one.text)} actions={actions}"
                known = self._gone.get(text, DumpedFlow(text, 0, 0, 0.0))
                sums = known.packets + one.packets, known.bytes + one.bytes
                self._gone[text] = DumpedFlow(text, *sums, one.duration_s)

    async def _dump(self) -> dict[str, str]:
        found = {}
        for flow in await self._client.dump():
            try:
                text = self._canonical(flow.text)
            except NativeError:
                text = flow.text
            found[flow_key(text)] = text
        return found


def as_found(flows: Mapping[str, str], frozen: frozenset[int]) -> dict[str, str]:
    """The flows of packets with such `metadata`, those that give it to them, and those that do not ask for it."""
    return {
        key: text for key, text in flows.items() if (found := metadata_of(text)) is None or found in frozen
    }


def metadata_of(text: str) -> int | None:
    """What a flow matches in `metadata`, or in the first table writes into it; None for flows of all networks.

    A flow of the first table that writes nothing belongs to nobody, which 0 stands for.
    """
    if (found := _MATCHED.search(text)) is not None:
        return int(found[1], 16)
    if ",table=0," not in text:
        return None
    found = _WRITTEN.search(text)
    return 0 if found is None else int(found[1], 16)
