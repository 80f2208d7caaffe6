"""The agent's flows in a real switch in this process: what one network is refused does not concern the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tulle._native import Switch, canonical_flow
from tulle.agent.flowset import NOTHING_TOLD, FlowSet
from tulle.agent.flowtable import FlowTable
from tulle.agent.refusals import RETRY_S
from tulle.openflow import OpenFlowClient, flow_key
from tulle.vswitch.endpoint import OpenFlowEndpoint

PATIENCE_S = 60
Texts = Mapping[str, str]


def texts(*flows: str) -> Texts:
    """Flows as a network has them."""
    return {flow_key(text): text for text in map(canonical_flow, flows)}


def whole(*parts: Texts) -> list[str]:
    return sorted(text for part in parts for text in part.values())


OLD = texts("table=1,metadata=1,actions=output:1", "table=2,metadata=1,actions=output:2")
GOOD = texts("table=1,metadata=1,actions=output:7", "table=4,metadata=1,actions=drop")
REFUSED = texts("table=3,metadata=1,actions=group:9")
"""There is no such group."""
NEW = {**GOOD, **REFUSED}
OTHER = texts("table=1,metadata=2,actions=output:3")
NEWER = texts("table=2,metadata=2,actions=output:4")


class Rig:
    """A switch, what networks have come to, and what an agent knows of the switch's flows."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.switch = Switch("br-flows", 0x2B, 1)
        self.endpoint = OpenFlowEndpoint(path, self.switch.open_session)
        self.connected = asyncio.Event()
        self.client = OpenFlowClient(f"unix:{path}", on_connected=self.connected.set)
        self.set = FlowSet()
        self.datapaths: dict[str, int] = {}
        self.new_agent()

    def new_agent(self) -> None:
        self.table = FlowTable(self.client, canonical_flow, clock=lambda: self.now)

    async def apply(self, meters: Mapping[int, int] | None = None, **networks: Texts) -> None:
        """Let networks be other than they were; those that are not named stay."""
        for name, flows in networks.items():
            self.set.put((name, 0), flows, NOTHING_TOLD)
        changed, self.set.changed = self.set.changed, {}
        known = {"holders": self.set.holders, "datapaths": self.datapaths}
        await self.table.apply(self.set.texts, meters, changed=changed, **known)

    def has(self) -> list[str]:
        return sorted(text for text, _, _ in self.switch.flows())

    def refused(self) -> set[str]:
        return set(self.table.refusals.reasons)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "br.mgmt")
    await rig.endpoint.start()
    task = asyncio.create_task(rig.client.run())
    try:
        await asyncio.wait_for(rig.connected.wait(), PATIENCE_S)
        yield rig
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rig.endpoint.close()
        rig.switch.close()


async def test_a_refused_network_keeps_its_old_flows_whole_and_the_others_change(rig: Rig) -> None:
    await rig.apply(red=OLD, blue=OTHER)
    assert (rig.has(), rig.refused()) == (whole(OLD, OTHER), set())
    await rig.apply(red=NEW, blue=NEWER)
    assert rig.has() == whole(OLD, NEWER)
    assert rig.refused() == {"red"} and "group:9" in rig.table.refusals.reasons["red"]
    await rig.apply(blue=OTHER)
    assert rig.has() == whole(OLD, OTHER)


async def test_what_was_refused_is_tried_again_later_or_once_it_differs(rig: Rig) -> None:
    await rig.apply(red=OLD)
    await rig.apply(red=NEW)
    assert rig.table.refusals.next_end() == RETRY_S
    version = rig.switch.version
    await rig.apply(blue={})
    assert rig.switch.version == version, "it was sent again at once"
    rig.now = RETRY_S
    await rig.apply()
    assert (rig.table.refusals.next_end(), rig.has()) == (2 * RETRY_S, whole(OLD))
    await rig.apply(red=GOOD)
    assert (rig.has(), rig.refused(), rig.table.refusals.next_end()) == (whole(GOOD), set(), None)


async def test_a_new_agent_leaves_the_flows_alone_that_a_refused_network_may_have(rig: Rig) -> None:
    await rig.apply(red=OLD, blue=OTHER)
    rig.new_agent()
    await rig.apply(red=NEW, blue=NEWER)
    assert rig.has() == whole(OLD, OTHER, NEWER), "of OTHER it cannot know whose it is"
    await rig.apply(red=GOOD)
    assert rig.has() == whole(GOOD, NEWER)


async def test_a_new_agent_deletes_what_others_had_by_the_numbers_of_their_switches(rig: Rig) -> None:
    await rig.apply(red=OLD, blue=OTHER)
    rig.new_agent()
    rig.datapaths = {"red/web": 1, "blue/web": 2}
    await rig.apply(red=NEW, blue=NEWER)
    assert (rig.has(), rig.refused()) == (whole(OLD, NEWER), {"red"})


async def test_a_new_network_that_is_refused_leaves_nothing_behind(rig: Rig) -> None:
    await rig.apply(blue=OTHER)
    await rig.apply(red=NEW)
    assert (rig.has(), rig.refused()) == (whole(OTHER), {"red"})
    await rig.apply(red={})
    assert (rig.has(), rig.refused()) == (whole(OTHER), set())


async def test_a_lost_connection_makes_it_ask_and_try_again(rig: Rig) -> None:
    await rig.apply(red=OLD, blue=OTHER)
    await rig.apply(red=NEW)
    rig.table.forget()
    await rig.apply(blue=NEWER)
    assert rig.refused() == {"red"} and set(whole(OLD, NEWER)) <= set(rig.has())
    await rig.apply(red=OLD)
    assert (rig.has(), rig.refused()) == (whole(OLD, NEWER), set())


async def test_meters_stay_while_a_refused_network_may_use_them(rig: Rig) -> None:
    metered = texts("table=1,metadata=1,actions=meter:5,output:1")
    await rig.apply({5: 10}, red=metered)
    await rig.apply({6: 10}, red=NEW)
    assert rig.has() == whole(metered)
    good = texts("table=1,metadata=1,actions=meter:6,output:1")
    await rig.apply({6: 10}, red=good)
    assert rig.has() == whole(good)
