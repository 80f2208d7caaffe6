"""Flows that stay as they are found, and what those that go have counted."""

from __future__ import annotations

from collections.abc import Sequence

from tulle._native import canonical_flow
from tulle.agent import counters
from tulle.agent.flowtable import FlowTable, metadata_of
from tulle.openflow import DumpedFlow, flow_key
from tulle.values import cookie_for

OWNER = "port red/a"
COOKIE = f"cookie={cookie_for(OWNER):#x}"
ENTRY = f"{COOKIE},table=0,priority=100,in_port=3 actions=set_field:0x1000007->metadata,resubmit(,10)"
FORMER = f"{COOKIE},table=41,priority=100,reg15=0x2,metadata=0x1000007 actions=output:3"
LATTER = f"{COOKIE},table=41,priority=100,reg15=0x2,metadata=0x2000007 actions=output:3"
SHARED = "cookie=0x5,table=41,priority=0 actions=drop"


class FakeClient:
    """A switch whose flows have each counted seven packets."""

    def __init__(self, *texts: str) -> None:
        self.flows = {flow_key(text): text for text in map(canonical_flow, texts)}

    async def dump(self) -> list[DumpedFlow]:
        return [DumpedFlow(text, 7, 700, 1.0) for text in self.flows.values()]

    async def change(self, batches: Sequence[tuple[str, Sequence[str]]]) -> None:
        for command, texts in batches:
            for text in texts:
                if command == "delete-strict":
                    del self.flows[text]
                else:
                    self.flows[flow_key(text)] = text


def desired(*texts: str) -> dict[str, str]:
    return {flow_key(text): text for text in map(canonical_flow, texts)}


def test_it_is_known_which_version_a_flow_belongs_to() -> None:
    found = [metadata_of(canonical_flow(text)) for text in (ENTRY, FORMER, LATTER, SHARED)]
    assert found == [0x1000007, 0x1000007, 0x2000007, None]
    assert metadata_of(canonical_flow("cookie=0x5,table=0,priority=0 actions=drop")) == 0


async def test_flows_of_a_version_that_nobody_knows_stay_while_they_are_needed() -> None:
    client = FakeClient(ENTRY, FORMER, SHARED)
    table = FlowTable(client, canonical_flow)  # type: ignore[arg-type]
    await table.apply(desired(LATTER), {}, frozenset({0x1000007}))
    assert client.flows == desired(ENTRY, FORMER, LATTER, SHARED)
    await table.apply(desired(LATTER))
    assert client.flows == desired(LATTER)


async def test_what_a_former_version_has_counted_counts_on() -> None:
    client = FakeClient(FORMER, LATTER)
    table = FlowTable(client, canonical_flow)  # type: ignore[arg-type]
    owners = {cookie_for(OWNER): OWNER}
    before = counters.flow_counters([*await client.dump(), *table.gone], owners)
    await table.apply(desired(LATTER), count_gone=True)
    after = counters.flow_counters([*await client.dump(), *table.gone], owners)
    assert before == after == {("red", "port", "a"): (14, 1400)}


async def test_counters_are_read_before_flows_of_a_port_go_unless_nobody_asks_for_them() -> None:
    for is_counted in (True, False):
        told = list[DumpedFlow]()
        client = FakeClient(ENTRY, FORMER)
        table = FlowTable(client, canonical_flow, told.extend, lambda _, known=is_counted: known)  # type: ignore[arg-type]
        await table.apply({})
        assert client.flows == {}
        assert [one.packets for one in told] == ([7, 7] if is_counted else [])


async def test_flows_of_which_nobody_asks_what_they_counted_go_while_others_read_counters() -> None:
    client = FakeClient(ENTRY, FORMER)
    table = FlowTable(client, canonical_flow, is_counted=lambda _: False)  # type: ignore[arg-type]
    async with table.reading:
        await table.apply({})
    assert client.flows == {}
