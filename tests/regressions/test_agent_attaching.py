"""One workload that cannot be attached must not keep the others of its node from being attached."""

from __future__ import annotations

import asyncio

import pytest

from tulle.agent.attacher import Attacher, Wanted
from tulle.values import Attachment


def attachment(device: str) -> Attachment:
    """What a port wants of its device."""
    return Attachment(f"red/{device}", "02:00:00:00:00:01", (), (), "ns", device, 1500)


@pytest.mark.parametrize("error", [ValueError("odd"), StopIteration(), KeyError("gone")], ids=repr)
async def test_a_port_that_fails_in_an_unforeseen_way_is_tried_again_and_the_others_work(
    error: Exception,
) -> None:
    # A device that went away meanwhile ended in a StopIteration, which asyncio never hands over: all waited.
    def attach(_wanted: Attachment, device: str, _preferred: bool) -> None:
        if device == "bad":
            raise error

    attacher = Attacher(attach)
    wanted = {f"red/{device}": Wanted(attachment(device), device, 1, True) for device in ("bad", "good")}
    try:
        assert await asyncio.wait_for(attacher.update(wanted), 10) == {"red/good"}
        assert attacher.failed
    finally:
        attacher.close()
