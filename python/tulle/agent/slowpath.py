"""Packets that a router cannot forward: answers them with the ICMP error that is due, at a bounded rate.

RFC 1812 section 4.3.2 (IPv4, rate in 4.3.2.8) and RFC 4443 section 2.4(f) (IPv6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tulle.openflow import PacketIn
from tulle.values import RouterInterface, pipeline

RATE_PER_S = 100.0
BURST = 50.0


class TokenBucket:
    """At most `rate` a second in the long run and `burst` at once; `now` is in seconds of any clock."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens = burst
        self._last: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        passed = 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Answer(NamedTuple):
    """A packet for the pipeline, and the actions that put it there."""

    actions: str
    frame: bytes


class SlowPath:
    """Answers packets for the routers of all networks; `counts` says what became of packets."""

    def __init__(
        self, icmp_error: Callable[[bytes, str, str, str], bytes | None], clock: Callable[[], float]
    ) -> None:
        self._icmp_error = icmp_error
        self._clock = clock
        self._buckets: dict[int, TokenBucket] = {}
        self._routers: dict[tuple[int, int], RouterInterface] = {}
        self._reasons: Mapping[tuple[int, int], str] = {}
        self.counts = {"answered": 0, "limited": 0, "silent": 0, "unknown": 0}

    def configure(self, routers: tuple[RouterInterface, ...], reasons: Mapping[tuple[int, int], str]) -> None:
        """Know these router ports, and why flows hand packets up."""
        self._routers = {(one.router_datapath, one.router_port): one for one in routers}
        self._reasons = reasons
        datapaths = {one.router_datapath for one in routers}
        self._buckets = {number: bucket for number, bucket in self._buckets.items() if number in datapaths}

    def answer(self, packet: PacketIn) -> Answer | None:
        """What to send in return; None where nothing is due."""
        reason = self._reasons.get((packet.table, packet.cookie))
        router = self._routers.get((packet.metadata, packet.registers.get("reg14", 0)))
        address = _address(router, packet.frame) if router is not None else None
        if reason is None or router is None or address is None:
            self.counts["unknown"] += 1
            return None
        bucket = self._buckets.setdefault(router.router_datapath, TokenBucket(RATE_PER_S, BURST))
        if not bucket.take(self._clock()):
            self.counts["limited"] += 1
            return None
        frame = self._icmp_error(packet.frame, reason, router.mac, address)
        if frame is None:
            self.counts["silent"] += 1
            return None
        self.counts["answered"] += 1
        return Answer(_into_switch(router), frame)


def _address(router: RouterInterface, frame: bytes) -> str | None:
    """The router's address of the packet's family."""
    colon = frame[12:14] == pipeline.ETH_IPV6.to_bytes(2, "big")
    return next((one.split("/")[0] for one in router.addresses if (":" in one) == colon), None)


def _into_switch(router: RouterInterface) -> str:
    """As if the packet came from the router's port into its switch."""
    return (
        f"set_field:{router.switch_datapath:#x}->metadata,set_field:{router.switch_port:#x}->reg14,"
        f"set_field:0->reg10,resubmit(,{pipeline.SWITCH_LOOKUP})"
    )
