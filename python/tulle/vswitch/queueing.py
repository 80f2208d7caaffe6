"""QoS of a port as it should be, and as the native switch and controllers are told of it.  Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["tap", "internal", "device", "tunnel", "patch", "local"]
POLICER = "egress-policer"
HTB = "linux-htb"
DEFAULT_RATE_BPS = 10_000_000_000
"""Of a link whose rate is not known."""
LEAST_BURST_BITS = 8 * 65_536
"""A bucket that a super-frame of TCP does not fit into would let none pass, ever."""
ETHERNET_BYTES = 14
Limit = tuple[int, int]
NativeQueue = tuple[int | None, int | None, int | None, Limit | None]
NativeQueues = tuple[Limit | None, int, dict[int, NativeQueue], bool]


class QueueConfig(Struct, frozen=True):
    """A row of table Queue: bit/s and bits; None is what the row does not say."""

    number: int
    min_bps: int | None = None
    max_bps: int | None = None
    burst_bits: int | None = None
    priority: int = 0
    dscp: int | None = None


class QosConfig(Struct, frozen=True):
    """A row of table QoS: bit/s and bits.  `options` are those of the kernel's discipline, by its own names."""

    kind: str
    max_bps: int | None = None
    burst_bits: int | None = None
    options: tuple[tuple[str, int], ...] = ()
    queues: tuple[QueueConfig, ...] = ()

    def rate_bps(self, link_bps: int | None) -> int:
        """What all queues together may send."""
        return self.max_bps or link_bps or DEFAULT_RATE_BPS


def is_shaped_by_kernel(qos: QosConfig, device: Kind) -> bool:
    """Whether the kernel delays what is too fast.  What is written to a TAP device is reception for the kernel."""
    return device == "device" and qos.kind.startswith("linux-") and qos.kind != "linux-noop"


def native_queues(qos: QosConfig, device: Kind, link_bps: int | None) -> NativeQueues:
    """As `Switch.set_queues` takes it: token buckets where the kernel does not shape."""
    shaped = is_shaped_by_kernel(qos, device)
    limited = not shaped and qos.kind == HTB
    queues = {queue.number: _native_queue(queue, limited, link_bps) for queue in qos.queues}
    if qos.kind == POLICER:
        return _limit(qos.max_bps, qos.burst_bits), ETHERNET_BYTES, queues, False
    return _limit(qos.max_bps, None) if limited else None, 0, queues, shaped


def _native_queue(queue: QueueConfig, limited: bool, link_bps: int | None) -> NativeQueue:
    limit = _limit(queue.max_bps, queue.burst_bits) if limited else None
    return _permille(queue.min_bps, link_bps), _permille(queue.max_bps, link_bps), queue.dscp, limit


def _limit(rate_bps: int | None, burst_bits: int | None) -> Limit | None:
    """Without a burst, a tenth of a second of the rate."""
    if rate_bps is None:
        return None
    burst = rate_bps // 10 if burst_bits is None else burst_bits
    return rate_bps, max(burst, LEAST_BURST_BITS)


def _permille(rate_bps: int | None, link_bps: int | None) -> int | None:
    """As OpenFlow tells rates (1.3.5 section 7.2.2.3): tenths of a per cent of the link's."""
    return min(rate_bps * 1000 // link_bps, 1000) if rate_bps is not None and link_bps else None
