"""Tasks of a process live with its body, and their errors end it."""

from __future__ import annotations

import asyncio

import pytest

from tulle.vswitch.lifetime import first_of, running

PATIENCE_S = 60


async def forever(started: asyncio.Event, ended: asyncio.Event) -> None:
    try:
        started.set()
        await asyncio.Event().wait()
    finally:
        ended.set()


async def fail() -> None:
    raise ValueError("broken task")


async def test_tasks_end_with_the_body() -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    async with running(forever(started, ended)):
        await asyncio.wait_for(started.wait(), PATIENCE_S)
        assert not ended.is_set()
    assert ended.is_set()


async def test_a_task_that_fails_ends_the_body_with_its_error() -> None:
    started, ended = asyncio.Event(), asyncio.Event()
    with pytest.raises(ValueError, match="broken task"):
        async with running(forever(started, ended), fail()):
            await asyncio.wait_for(asyncio.Event().wait(), PATIENCE_S)
    assert ended.is_set()


async def test_the_first_event_is_enough() -> None:
    one, other = asyncio.Event(), asyncio.Event()
    other.set()
    await asyncio.wait_for(first_of(one, other), PATIENCE_S)
