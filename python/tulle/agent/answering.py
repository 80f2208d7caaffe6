"""Answers the controller's questions about this node: its flows, whether they are right, and what passes its ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from tulle.agent.capturing import Places, capture, capture_request
from tulle.agent.drift import Drift, drift, drift_document
from tulle.agent.flowtable import FlowTable
from tulle.agent.paths import paths
from tulle.agent.pursuing import Pursuits
from tulle.agent.reconciler import Reconciler
from tulle.errors import Conflict, InvalidInput
from tulle.openflow import DumpedFlow, OpenFlowClient
from tulle.openflow.flows import flow_cookie
from tulle.store import Question
from tulle.vswitch.commands import release

FLOWS_MAX: Final = 20_000
CAPTURES_MAX: Final = 3
CHECK_S: Final = 60.0
CHECK_SHARE: Final = 50
"""A check that takes long is made so seldom that it takes at most this part of the time."""

Document = dict[str, Any]
_logger = structlog.get_logger(__name__)


class Answers:
    """`passing` is held by whoever changes flows, so that a check never sees half a change; `mend` asks for a pass."""

    def __init__(
        self,
        reconciler: Reconciler,
        flows: FlowTable,
        openflow: OpenFlowClient,
        passing: asyncio.Lock,
        mend: Callable[[], None],
    ) -> None:
        self._reconciler = reconciler
        self._flows = flows
        self._openflow = openflow
        self._passing = passing
        self._mend = mend
        self._repaired = 0
        self._capturing = 0
        # Of their own, since a capture takes its time and a check must not wait for one.
        self._captures = ThreadPoolExecutor(CAPTURES_MAX, "capture")
        self._pursuits = Pursuits()
        self.close = self._pursuits.close
        self._kinds: dict[str, Callable[[Document], Awaitable[Document]]] = {
            "capture": self._capture,
            "check": self._check,
            "flows": self._list,
            "follow": self._follow,
            "followed": self._pursuits.followed,
        }

    async def answer(self, question: Question) -> Document:
        """The answer; raises `TulleError` with a sentence."""
        if question.kind not in self._kinds:
            known = ", ".join(self._kinds)
            raise InvalidInput(f"its agent knows nothing of {question.kind!r}, only of {known}; is it older?")
        return await self._kinds[question.kind](question.arguments)

    async def repair(self) -> Drift:
        """Compare the switch with everything computed anew, and let a pass mend what differs."""
        async with self._passing:
            thought, recomputed = self._reconciler.compiled.texts, self._reconciler.recomputed
            if recomputed is None or self._flows.refusals.reasons:
                return Drift(len(thought))
            full = await asyncio.to_thread(recomputed)
            found = drift(await self._flows.installed(), thought, full.texts)
        if found:
            self._repaired += 1
            _logger.warning("drift", **drift_document(found, self._repaired))
            self._flows.forget()
            self._reconciler.begin_anew()
            self._mend()
        return found

    async def keep_checking(self) -> None:
        """Check now and then for ever."""
        pause_s = CHECK_S
        while True:
            await asyncio.sleep(pause_s)
            began = time.monotonic()
            if self._openflow.connected:
                await self._try_to_repair()
            pause_s = max(CHECK_S, CHECK_SHARE * (time.monotonic() - began))

    async def _try_to_repair(self) -> None:
        try:
            await self.repair()
        except Exception as error:
            # The switch may have gone away meanwhile; the next check tells.
            _logger.info("not checked", error=repr(error))

    async def _check(self, arguments: Document) -> Document:
        addresses = [str(one) for one in arguments.get("addresses", ())][:1000]
        mtu = self._reconciler.underlay_mtu
        began = time.time()
        found, reached = await asyncio.gather(self.repair(), paths(addresses, mtu))
        return {
            "version": release(),
            "time_s": began,
            "underlay_mtu": mtu,
            "drift": drift_document(found, self._repaired),
            "paths": reached,
            "pending": sorted(self._reconciler.compilation.pending),
            "unattached": self._reconciler.attacher.failures,
        }

    async def _list(self, arguments: Document) -> Document:
        owners = self._reconciler.compiled.owners
        network = arguments.get("network")
        named = [(flow, owners.get(flow_cookie(flow.text), "")) for flow in await self._openflow.dump()]
        found = [_flow(flow, owner) for flow, owner in named if network in (None, network_of(owner))]
        return {"flows": found[:FLOWS_MAX], "left_out": max(0, len(found) - FLOWS_MAX)}

    async def _capture(self, arguments: Document) -> Document:
        request = capture_request(arguments)
        if self._capturing >= CAPTURES_MAX:
            raise Conflict(f"{CAPTURES_MAX} captures are going on already")
        self._capturing += 1
        try:
            loop, places = asyncio.get_running_loop(), Places.of(self._reconciler)
            return await loop.run_in_executor(self._captures, capture, request, places)
        finally:
            self._capturing -= 1

    async def _follow(self, arguments: Document) -> Document:
        return await self._pursuits.follow(arguments, Places.of(self._reconciler))


def _flow(flow: DumpedFlow, owner: str) -> Document:
    head, _, actions = flow.text.partition(" actions=")
    match = ",".join(part for part in head.split(",") if not part.startswith("cookie="))
    return {
        "flow": match,
        "actions": actions,
        "object": owner,
        "packets": flow.packets,
        "bytes": flow.bytes,
        "duration_s": flow.duration_s,
    }


def network_of(owner: str) -> str:
    """The network of an owner such as `port red/web1`, `port security red/web1` or `network red (paused)`."""
    for word in owner.split()[1:]:
        name, slash, _ = word.partition("/")
        if slash or owner.startswith("network "):
            return name
    return ""
