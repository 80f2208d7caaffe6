"""Only what changed is sent; after a loss everything is compared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tulle.agent.flowtable import FlowTable
from tulle.errors import Unavailable
from tulle.openflow import OpenFlowClient

A, B = "table=1,priority=1,metadata=0x1", "table=1,priority=1,metadata=0x2"


def text(key: str, actions: str = "drop") -> str:
    return f"cookie=0x1,{key} actions={actions}"


class Switch:
    """Keeps what it is sent; `broken` refuses to be reached."""

    def __init__(self) -> None:
        self.flows: dict[str, str] = {}
        self.sent: list[str] = []
        self.dumps = 0
        self.broken = False

    async def change(self, batches: Sequence[tuple[str, Sequence[str]]]) -> None:
        if self.broken:
            raise Unavailable("gone")
        for command, texts in batches:
            for one in texts:
                self.sent.append(command)
                key = one if command == "delete-strict" else one.split(",", 1)[1].split(" ")[0]
                self.flows.pop(key, None)
                if command != "delete-strict":
                    self.flows[key] = one

    async def dump(self) -> list[Any]:
        self.dumps += 1
        return [SimpleNamespace(text=one) for one in self.flows.values()]

    def send_raw(self, _messages: bytes) -> None:
        if self.broken:
            raise Unavailable("gone")


def test_only_keys_that_changed_are_looked_at() -> None:
    switch = Switch()
    table = FlowTable(cast(OpenFlowClient, switch), str)
    desired = {A: text(A), B: text(B)}
    asyncio.run(table.apply(desired))
    del desired[A]
    desired[B] = text(B, "output:1")
    asyncio.run(table.apply(desired, changed={A: "red"}))
    assert switch.flows == {B: text(B)}, "B was not named, so nobody looked at it"
    asyncio.run(table.apply(desired, changed={B: "red"}))
    assert switch.flows == desired and switch.dumps == 1
    assert switch.sent == ["add", "add", "delete-strict", "modify-strict"]


@pytest.mark.parametrize("meters", [{}, {7: 10}])
def test_what_could_not_be_sent_is_not_forgotten(meters: dict[int, int]) -> None:
    switch = Switch()
    table = FlowTable(cast(OpenFlowClient, switch), str)
    desired = {A: text(A)}
    asyncio.run(table.apply(desired))
    desired[B] = text(B)
    switch.broken = True
    with pytest.raises(Unavailable):
        asyncio.run(table.apply(desired, meters, changed={B: "red"}))
    switch.broken = False
    asyncio.run(table.apply(desired, meters, changed={}))
    assert switch.flows == desired


def test_flows_that_were_frozen_go_although_nobody_names_them() -> None:
    switch = Switch()
    table = FlowTable(cast(OpenFlowClient, switch), str)
    former = f"{B} actions=drop"
    switch.flows[B] = f"cookie=0x1,{former}"
    desired = {A: text(A)}
    asyncio.run(table.apply(desired, frozen=frozenset({2})))
    asyncio.run(table.apply(desired, frozen=frozenset({2}), changed={}))
    assert switch.flows.keys() == {A, B}
    asyncio.run(table.apply(desired, changed={}))
    assert switch.flows == {A: text(A)}


def test_what_is_asked_after_a_loss_is_compared_whole() -> None:
    switch = Switch()
    table = FlowTable(cast(OpenFlowClient, switch), str)
    desired = {A: text(A), B: text(B)}
    asyncio.run(table.apply(desired))
    switch.flows.clear()
    table.forget()
    asyncio.run(table.present())
    asyncio.run(table.apply(desired, changed={A: "red"}))
    assert switch.flows == desired
