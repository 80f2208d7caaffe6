"""The flows of the switch as the agent knows them, so that only differences are sent.

After each connection the switch is asked what it has: a new agent finds the old one's flows in place.
A network of which the switch refuses a flow keeps those that it had (see `refusals`); the others do not notice.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import structlog

from tulle._native import NativeError
from tulle.agent.refusals import NetworkOf, Refusals, taken_back
from tulle.openflow import DumpedFlow, FlowRefused, OpenFlowClient, changes, flow_key
from tulle.openflow.changes import FlowChanges
from tulle.openflow.flows import flow_cookie, flow_table
from tulle.openflow.meters import emit_meter_deletions, emit_meters
from tulle.values import Limit, pipeline

GONE_MAX = 10_000
COUNTED_OF_PORTS = (pipeline.PHYSICAL_INGRESS, pipeline.DELIVER)
_MATCHED = re.compile(r"[ ,]metadata=(0x[0-9a-f]+)[ ,]")
_WRITTEN = re.compile(r"set_field:(0x[0-9a-f]+)->metadata")
NOBODYS: Mapping[str, tuple[str, ...]] = {}
NO_DATAPATHS: Mapping[str, int] = {}
_logger = structlog.get_logger(__name__)


class FlowTable:
    """`apply` makes the switch have these flows and no others.

    `before_deletion` is given the flows with their counters before some of a port go, unless `is_counted` says of all
    their cookies that nobody wants to know any more.  Who else reads counters does so while holding `reading`, so that
    they are seen in the order in which they rise.
    """

    def __init__(
        self,
        client: OpenFlowClient,
        canonical: Callable[[str], str],
        before_deletion: Callable[[list[DumpedFlow]], None] = lambda _: None,
        is_counted: Callable[[int], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._canonical = canonical
        self._before_deletion = before_deletion
        self._is_counted = is_counted
        self._clock = clock
        self.refusals = Refusals()
        self.reading = asyncio.Lock()
        self._installed: dict[str, str] | None = None
        self._meters: dict[int, int | Limit] = {}
        self._unsent: dict[str, str] | None = None
        """Keys of flows that may be others than installed, with their networks; None where all may be."""
        self._gone: dict[str, DumpedFlow] = {}

    @property
    def gone(self) -> list[DumpedFlow]:
        """What flows of former versions had counted when they went, together by cookie, table and actions."""
        return list(self._gone.values())

    def forget(self) -> None:
        """The connection is new: what the switch has is not known any more."""
        self._installed = None
        self._meters = {}
        self.refusals.clear()

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
        changed: Mapping[str, str] | None = None,
        holders: Mapping[str, tuple[Any, ...]] = NOBODYS,
        datapaths: Mapping[str, int] = NO_DATAPATHS,
        count_gone: bool = False,
    ) -> None:
        """Return when the switch has them, or `refusals` says of which networks it has not; raises `Unavailable`.

        With `count_gone`, what is deleted has its counters kept in `gone`.
        Flows for packets whose `metadata` is one of `frozen` stay as they are.

        `meters` (number: packets a second, or a limit) are made before the flows that use them, and go after them.
        `changed` are the keys that may be others than in the last `desired`, with their networks, or None: all may be.
        `holders` are the units that flows are of, by key, each beginning with its network; `datapaths` are the numbers
        of switches and routers (`network/name`), by which flows are known that are not wanted any more.
        Raises `FlowRefused` only where the flow is nobody's.
        """
        self._note_changed(changed, is_known=changed is not None and not frozen)
        wanted = dict(meters or {})
        if added := emit_meters(self._meters, wanted):
            self._client.send_raw(added)
        if frozen:
            desired = {**as_found(await self.present(), frozen), **desired}
        await self._apply_flows(desired, holders, datapaths, count_gone=count_gone)
        if frozen:
            self._unsent = None
        if self.refusals.reasons:
            # A meter takes the flows that use it along, and such may be kept.
            wanted = {**self._meters, **wanted}
        if removed := sorted(self._meters.keys() - wanted.keys()):
            self._client.send_raw(emit_meter_deletions(removed))
        self._meters = wanted

    def _note_changed(self, changed: Mapping[str, str] | None, *, is_known: bool) -> None:
        """Add to what is to be looked at; what was refused is, if its network differs or its time has come."""
        released = self.refusals.released(set((changed or {}).values()), self._clock())
        if self.refusals.has_strays and not self.refusals.reasons:
            self.refusals.has_strays, is_known = False, False
        if not is_known or self._unsent is None:
            self._unsent = None
        else:
            self._unsent |= {**released, **(changed or {})}

    async def _apply_flows(
        self,
        desired: Mapping[str, str],
        holders: Mapping[str, tuple[Any, ...]],
        datapaths: Mapping[str, int],
        *,
        count_gone: bool,
    ) -> None:
        installed = await self._present()
        (self._installed, changed) = None, self._unsent
        before, after = installed, desired
        if changed is not None:
            before = {key: installed[key] for key in changed if key in installed}
            after = {key: desired[key] for key in changed if key in desired}

        @cache
        def named() -> dict[int, str]:
            return {number: path.partition("/")[0] for path, number in datapaths.items()}

        def network_of(key: str) -> str | None:
            if (holder := holders.get(key)) is not None:
                network: str = holder[0]
                return network
            if changed and key in changed:
                return changed[key]
            metadata = metadata_of(installed.get(key, "")) or 0
            return named().get(metadata & pipeline.DATAPATH_MASK) if metadata else None

        todo = self.refusals.without(changes(before, after), network_of)
        done = await self._send(todo, before, network_of, count_gone=count_gone) if todo.commands else todo
        self._unsent = {}
        if done is None:
            return
        if self.refusals.reasons:
            installed.update((flow_key(text), text) for text in (*done.add, *done.modify))
            for key in done.delete:
                del installed[key]
        elif changed is None:
            installed = dict(desired)
        else:
            for key in before.keys() - after.keys():
                del installed[key]
            installed.update(after)
        self._installed = installed

    async def _send(
        self, todo: FlowChanges, before: Mapping[str, str], network_of: NetworkOf, *, count_gone: bool
    ) -> FlowChanges | None:
        """What of it the switch has now, without the networks of which it refused something; None if it is unknown."""
        _logger.info("flows", add=len(todo.add), modify=len(todo.modify), delete=len(todo.delete))
        if not self._is_read_before(todo, before, count_gone=count_gone):
            return await self._change(todo, before, network_of)
        async with self.reading:
            await self._count_before(todo, count_gone=count_gone)
            return await self._change(todo, before, network_of)

    async def _change(
        self, todo: FlowChanges, before: Mapping[str, str], network_of: NetworkOf
    ) -> FlowChanges | None:
        is_known = True
        if refused := await self._put(todo):
            first = next(iter(refused.values()))
            _logger.error("flows refused", count=len(refused), first=first)
            if any(network_of(key) is None for key in refused):
                raise FlowRefused(f"the switch refused {len(refused)} flows; first: {first}")
            self.refusals.note(refused, network_of, self._clock())
            is_known = await self._take_back(todo, refused, before, network_of)
            todo = self.refusals.without(todo, network_of)
        return todo if is_known else None

    async def _put(self, todo: FlowChanges) -> dict[str, str]:
        """Make all of it at once, which is how a port goes over without a gap; why flows were refused, by key."""
        try:
            await self._client.change(todo.commands)
        except FlowRefused as error:
            return {flow_key(text): reason for text, reason in error.refused}
        return {}

    async def _take_back(
        self,
        todo: FlowChanges,
        refused: Mapping[str, str],
        before: Mapping[str, str],
        network_of: NetworkOf,
    ) -> bool:
        """Give the networks that something was refused of what they had; False where it is not accepted any more."""
        concerned = {network_of(key) for key in refused}
        has, had = taken_back(
            (*todo.add, *todo.modify), refused.keys(), before, lambda key: network_of(key) in concerned
        )
        # What nobody knows the network of may have been one of these.
        had |= {key: before[key] for key in todo.delete if network_of(key) in {*concerned, None}}
        try:
            if back := changes(has, had).commands:
                await self._client.change(back)
        except FlowRefused as error:
            _logger.error("not even the former flows are accepted", error=str(error))
            return False
        return True

    def _is_read_before(self, todo: FlowChanges, before: Mapping[str, str], *, count_gone: bool) -> bool:
        """Whether somebody wants to know what is about to go has counted."""
        gone = (before[key] for key in todo.delete if flow_table(key) in COUNTED_OF_PORTS)
        return bool(count_gone and todo.delete) or any(self._is_counted(flow_cookie(text)) for text in gone)

    async def _count_before(self, todo: FlowChanges, *, count_gone: bool) -> None:
        """Read the counters of what is about to go."""
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
            if flow_table(flow.text) == pipeline.AFFINITY:
                continue  # learned by the switch itself
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
