"""The kernel's queueing disciplines of devices: what there should be, and the steps that lead there.  Pure.

As Open vSwitch lays them out, so that tools find what they expect: the discipline 1:0, in it one class 1:fffe with the
rate of all, in that one for each queue, 1:1 for queue 0.  Source: tc-htb(8), linux/pkt_sched.h.
"""

from __future__ import annotations

from msgspec import Struct

from tulle.vswitch.queueing import HTB, QosConfig, QueueConfig

HANDLE = 0x10000
ALL = 0x1FFFE
LEAST_RATE_BPS = 12_000
"""A queue that asks for nothing gets this much: a class cannot have nothing."""
LAST_PRIORITY = 7
BURSTS_A_SECOND = 1_000_000
"""Bursts become times in whole microseconds on their way to the kernel, and none must be 0."""
LONGEST_BURST_S = 256
"""The kernel has 32 bits for a burst, in ticks of 64 ns."""
HEADERS_BYTES = 64


class Class(Struct, frozen=True):
    """Of htb, in bytes and bytes a second; `least` is what it gets in any case, `most` what it may borrow up to, each
    with its burst."""

    handle: int
    parent: int
    least: int
    most: int
    least_burst: int
    burst: int
    quantum: int
    priority: int = 0


class Discipline(Struct, frozen=True):
    """A discipline 1:0 by the kernel's name for it."""

    kind: str
    options: tuple[tuple[str, int], ...] = ()
    classes: tuple[Class, ...] = ()

    def queue(self, number: int) -> Class | None:
        """The class of a queue."""
        return next((one for one in self.classes if one.handle == HANDLE | (number + 1)), None)


class AddDiscipline(Struct, frozen=True):
    """In the place of what is there."""

    kind: str
    options: tuple[tuple[str, int], ...]


class RemoveDiscipline(Struct, frozen=True):
    """The kernel's default comes back."""


class SetClass(Struct, frozen=True):
    """Make a class, or change it while packets pass."""

    wanted: Class


class RemoveClass(Struct, frozen=True):
    """Packets that wait in it are lost."""

    handle: int


Step = AddDiscipline | RemoveDiscipline | SetClass | RemoveClass


def plan(current: Discipline | None, desired: Discipline | None) -> list[Step]:
    """What is of the same kind and has the same options is changed in place, class by class."""
    if desired is None:
        return [RemoveDiscipline()] if current is not None else []
    steps: list[Step] = []
    if current is None or (current.kind, current.options) != (desired.kind, desired.options):
        steps.append(AddDiscipline(desired.kind, desired.options))
        current = Discipline(desired.kind)
    kept = {wanted.handle for wanted in desired.classes}
    steps += [RemoveClass(one.handle) for one in current.classes if one.handle not in kept]
    return steps + [SetClass(wanted) for wanted in desired.classes if wanted not in current.classes]


def discipline(qos: QosConfig, link_bps: int | None, mtu: int) -> Discipline:
    """What a device of this rate and MTU gets for its QoS."""
    if qos.kind != HTB:
        return Discipline(qos.kind.removeprefix("linux-"), qos.options)
    rate_bps = qos.rate_bps(link_bps)
    every = _class(ALL, HANDLE, rate_bps, rate_bps, QueueConfig(0), mtu)
    return Discipline("htb", (), (every, *(_queue_class(queue, rate_bps, mtu) for queue in qos.queues)))


def _queue_class(queue: QueueConfig, rate_bps: int, mtu: int) -> Class:
    least = min(max(queue.min_bps or 0, LEAST_RATE_BPS), rate_bps)
    most = min(max(queue.max_bps or rate_bps, least), rate_bps)
    return _class(HANDLE | (queue.number + 1), ALL, least, most, queue, mtu)


def _class(handle: int, parent: int, least_bps: int, most_bps: int, queue: QueueConfig, mtu: int) -> Class:
    least, most = max(least_bps // 8, 1), max(most_bps // 8, 1)
    burst = max((queue.burst_bits or 0) // 8, mtu + HEADERS_BYTES, -(-most // BURSTS_A_SECOND))
    least_burst, burst = (min(burst, rate * LONGEST_BURST_S) for rate in (least, most))
    priority = min(queue.priority, LAST_PRIORITY)
    return Class(handle, parent, least, most, least_burst, burst, mtu + HEADERS_BYTES, priority)
