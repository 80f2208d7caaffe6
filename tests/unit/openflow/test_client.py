"""The client against a real switch in this process, over a real unix socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tulle._native import Switch, canonical_flow
from tulle.errors import Unavailable
from tulle.openflow import FlowRefused, OpenFlowClient
from tulle.vswitch.endpoint import OpenFlowEndpoint

PATIENCE_S = 60


class Rig:
    """A switch with its endpoint, and a client that follows it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.switch = Switch("br-test", 0x2A, 1)
        self.endpoint = OpenFlowEndpoint(path, self.switch.open_session)
        self.connected = asyncio.Event()
        self.lost = asyncio.Event()
        self.client = OpenFlowClient(f"unix:{path}", on_connected=self.connected.set, on_lost=self.lost.set)


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


async def test_flows_that_were_added_are_dumped_in_canonical_form(rig: Rig) -> None:
    texts = [f"cookie=0x7,table={table},priority=9,in_port=1,actions=output:2" for table in range(100)]
    await rig.client.change([("add", texts)])
    dumped = {flow.text: flow.packets for flow in await rig.client.dump()}
    assert dumped == {canonical_flow(text): 0 for text in texts}


async def test_thousands_of_changes_pass_in_order(rig: Rig) -> None:
    texts = [f"table=1,priority={number},actions=output:2" for number in range(1, 5001)]
    await rig.client.change([("add", texts), ("delete-strict", texts[:4990])])
    assert len(await rig.client.dump()) == 10


async def test_a_long_dump_and_a_long_change_do_not_wait_for_each_other(rig: Rig) -> None:
    texts = [f"table=1,priority={number},actions=output:2" for number in range(1, 8001)]
    await rig.client.change([("add", texts)])
    dumps = [rig.client.dump() for _ in range(4)]
    async with asyncio.timeout(PATIENCE_S / 3):
        *counts, _ = await asyncio.gather(*dumps, rig.client.change([("modify-strict", texts)]))
    assert [len(one) for one in counts] == [8000] * 4


async def test_a_refused_change_says_which_and_the_others_are_applied(rig: Rig) -> None:
    with pytest.raises(FlowRefused, match="table=255"):
        await rig.client.change([("add", ["table=255,actions=drop", "table=1,actions=drop"])])
    assert [flow.text for flow in await rig.client.dump()] == [canonical_flow("table=1,actions=drop")]


async def test_a_lost_connection_fails_what_waits_and_is_made_again(rig: Rig) -> None:
    await rig.client.change([("add", ["table=1,actions=drop"])])
    rig.connected.clear()
    await rig.endpoint.close()
    await asyncio.wait_for(rig.lost.wait(), PATIENCE_S)
    with pytest.raises(Unavailable):
        await rig.client.dump()
    rig.client.packet_out(1, "output:2", b"\0" * 64)
    assert rig.client.packet_outs_dropped == 1
    await rig.endpoint.start()
    await asyncio.wait_for(rig.connected.wait(), PATIENCE_S)
    assert len(await rig.client.dump()) == 1


async def test_garbage_and_a_peer_that_does_not_read_leave_the_endpoint_alive(rig: Rig) -> None:
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 70000, b"\x04\x00\x00\x07", b"\0" * 64):
        reader, writer = await asyncio.open_unix_connection(rig.path)
        writer.write(garbage)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
    echo = b"\x04\x02\xff\xf8\0\0\0\1" + b"x" * 0xFFF0
    _, mute = await asyncio.open_unix_connection(rig.path)
    mute.write(b"\x04\0\0\x08\0\0\0\1")
    for _ in range(200):
        mute.write(echo)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(mute.drain(), 0.005)
    assert not mute.transport.is_closing()
    assert await rig.client.dump() == []
    mute.transport.abort()
