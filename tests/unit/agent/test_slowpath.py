"""ICMP errors in a router's name, with the real native code making the packets."""

from __future__ import annotations

import pytest

from tulle._native import emit_frame, icmp_error
from tulle.agent.slowpath import BURST, SlowPath, TokenBucket
from tulle.openflow import PacketIn
from tulle.values import RouterInterface

ROUTER = RouterInterface("router red/core", 7, 2, 5, 9, "02:00:00:00:01:01", ("10.0.1.1/24", "fd00:1::1/64"))
V4 = "icmp,dl_src=02:00:00:00:00:0b,dl_dst=02:00:00:00:01:01,nw_src=10.0.1.11,nw_dst=10.0.2.11,icmp_type=8"
V6 = (
    "icmp6,dl_src=02:00:00:00:00:0b,dl_dst=02:00:00:00:01:01,"
    "ipv6_src=fd00:1::11,ipv6_dst=fd00:2::11,icmpv6_type=128"
)


def packet(match: str, **changes: object) -> PacketIn:
    columns = {"in_port": 1, "table": 20, "cookie": 42, "metadata": 7, "registers": {"reg14": 2}}
    return PacketIn(**{**columns, "frame": emit_frame(match), **changes})  # type: ignore[arg-type]


def new_path(now: list[float] | None = None) -> SlowPath:
    path = SlowPath(icmp_error, lambda: now[0] if now else 0.0)
    path.configure((ROUTER,), {(20, 42): "ttl-exceeded"})
    return path


@pytest.mark.parametrize(("match", "address"), [(V4, "0a000101"), (V6, "fd00000100000000" + "0" * 15 + "1")])
def test_the_router_answers_with_its_address_of_the_family(match: str, address: str) -> None:
    path = new_path()
    answer = path.answer(packet(match))
    assert answer is not None
    assert answer.frame[:6].hex() == "02000000000b"
    assert answer.frame[6:12].hex() == "020000000101"
    source = answer.frame[26:30] if match is V4 else answer.frame[22:38]
    assert source.hex() == address
    assert answer.actions == "set_field:0x5->metadata,set_field:0x9->reg14,set_field:0->reg10,resubmit(,12)"
    assert path.counts["answered"] == 1


def test_a_packet_from_an_unknown_router_or_flow_is_counted_and_not_answered() -> None:
    path = new_path()
    assert path.answer(packet(V4, metadata=8)) is None
    assert path.answer(packet(V4, cookie=1)) is None
    assert path.answer(packet(V4, frame=b"")) is None
    assert path.counts["unknown"] + path.counts["silent"] == 3


def test_an_icmp_error_is_never_answered() -> None:
    path = new_path()
    assert path.answer(packet(V4.replace("icmp_type=8", "icmp_type=3"))) is None
    assert path.counts["silent"] == 1


def test_answers_are_limited_and_recover_with_time() -> None:
    now = [0.0]
    path = new_path(now)
    answers = [path.answer(packet(V4)) for _ in range(int(BURST) + 10)]
    assert sum(answer is not None for answer in answers) == BURST
    assert path.counts["limited"] == 10
    now[0] = 1.0
    assert path.answer(packet(V4)) is not None


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert bucket.take(10.0)
    assert not bucket.take(5.0)
    assert bucket.take(6.5)
