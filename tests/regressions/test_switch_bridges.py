"""Bridges that cannot be, and peers that do not answer, must not keep a switch process from its work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tulle.ovsdb import Database, Transaction, schema
from tulle.vswitch import rows, underlay
from tulle.vswitch.routes import Host, Neighbour, Route
from tulle.vswitch.rows_reference import TABLES
from tulle.vswitch.underlay import Ways


@pytest.mark.parametrize("name", ["x/y", "../br", "", "b" * 64])
def test_a_bridge_whose_name_is_no_file_name_is_left_out(name: str) -> None:
    # Its socket could not be made, which ended every pass over the configuration, also for the other bridges.
    database = Database(schema.load("vswitch"))
    txn = Transaction(database.schema)
    bridges = [txn.insert("Bridge", {"name": one}) for one in (name, "br-int")]
    txn.insert("Open_vSwitch", {"bridges": bridges})
    database.transact(txn.operations)
    tables = {one: database.rows(one) for one in TABLES}
    assert [bridge.name for bridge in rows.bridges(tables)[0]] == ["br-int"]


class SilentKernel:
    """The tables of a machine whose neighbour never answers; every question brings the next frame for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.questions = 0
        self.resolutions = 0
        self.ways: Ways | None = None
        for name in ("route_to", "this_host", "neighbours", "resolve"):
            monkeypatch.setattr(underlay, name, getattr(self, name))

    async def route_to(self, _: Any, remote: str) -> Route:
        return Route(remote, "eth0", 2, "10.9.9.1", remote, 1500)

    async def this_host(self, _: Any) -> Host:
        return Host()

    async def neighbours(self, _: Any) -> dict[tuple[int, str], Neighbour]:
        self.questions += 1
        if self.ways is not None:
            self.ways.ask("10.9.9.9")
        return {}

    async def resolve(self, *_: Any) -> None:
        self.resolutions += 1


async def settled() -> None:
    return None


async def test_frames_for_a_dead_peer_do_not_make_the_switch_ask_without_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each frame without a next hop asked for all neighbours at once: the process did nothing else any more.
    pauses: list[float] = []
    kernel = SilentKernel(monkeypatch)
    ways = kernel.ways = Ways(object(), lambda *_: None, settled)
    await ways.follow("10.9.9.9")
    sleep = asyncio.sleep
    enough = asyncio.Event()

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            enough.set()
        await sleep(0)

    monkeypatch.setattr(underlay.asyncio, "sleep", note)
    task = asyncio.create_task(ways.run())
    await asyncio.wait_for(enough.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pauses[:5] == [underlay.LEAST_GAP_S] * 5
    assert kernel.questions <= len(pauses) + 1, (kernel.questions, pauses)
    assert kernel.resolutions == 1
