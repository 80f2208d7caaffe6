"""The attacher does each thing once, and again after a failure or a doubt."""

from __future__ import annotations

from tulle.agent.attacher import Attacher, Wanted
from tulle.errors import NotFound
from tulle.values import Attachment


def wanted(ifindex: int = 1, preferred: bool = True) -> dict[str, Wanted]:
    attachment = Attachment("red/a", "02:00:00:00:00:01", (), (), "ns", "tap", 1500)
    return {"red/a": Wanted(attachment, "t1", ifindex, preferred)}


class Hands:
    """Stands for the kernel: notes what was asked, and may refuse."""

    def __init__(self) -> None:
        self.done: list[tuple[str, bool]] = []
        self.refuse = False

    def attach(self, attachment: Attachment, device: str, preferred: bool) -> None:
        if self.refuse:
            raise NotFound(f"no network namespace {attachment.namespace}")
        self.done.append((device, preferred))


async def test_what_is_attached_is_not_attached_again() -> None:
    hands = Hands()
    attacher = Attacher(hands.attach)
    assert await attacher.update(wanted()) == {"red/a"}
    assert await attacher.update(wanted()) == {"red/a"}
    assert hands.done == [("t1", True)]
    attacher.close()


async def test_a_new_device_another_preference_or_a_doubt_attaches_again() -> None:
    hands = Hands()
    attacher = Attacher(hands.attach)
    await attacher.update(wanted(ifindex=1, preferred=False))
    await attacher.update(wanted(ifindex=1, preferred=True))
    await attacher.update(wanted(ifindex=2, preferred=True))
    attacher.forget()
    await attacher.update(wanted(ifindex=2, preferred=True))
    assert hands.done == [("t1", False), ("t1", True), ("t1", True), ("t1", True)]
    attacher.close()


async def test_a_failure_is_tried_again_until_it_works() -> None:
    hands = Hands()
    hands.refuse = True
    attacher = Attacher(hands.attach)
    assert await attacher.update(wanted()) == frozenset()
    assert attacher.failed
    hands.refuse = False
    assert await attacher.update(wanted()) == {"red/a"}
    assert not attacher.failed
    attacher.close()


async def test_a_failed_port_that_goes_away_is_forgotten() -> None:
    hands = Hands()
    hands.refuse = True
    attacher = Attacher(hands.attach)
    await attacher.update(wanted())
    await attacher.update({})
    assert not attacher.failed
    attacher.close()
