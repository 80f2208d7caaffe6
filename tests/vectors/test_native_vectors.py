"""The golden frames through the native module, as Python sees it."""

from __future__ import annotations

import pytest
from test_vectors import Vector, cases

from tulle._native import Encapsulator, NativeError, icmp_error

NEAR, FAR = "10.0.0.1", "10.0.0.2"
ICMP_KINDS = {
    "time-exceeded": "ttl-exceeded",
    "host-unreachable": "host-unreachable",
    "net-unreachable": "net-unreachable",
    "too-big": "too-big",
}


def segments(vector: Vector) -> list[bytes]:
    """The outer frames as they stand on a wire without offloads."""
    names = [key for key in vector if key.startswith("segment-")]
    return [vector.frame(name) for name in names] or [vector.frame("outer")]


@cases("vxlan.txt")
def test_a_vxlan_vector_gives_its_inner_frame_and_context(vector: Vector) -> None:
    popped = Encapsulator("vxlan", FAR, NEAR).pop(vector.frame("outer"))
    assert popped == [(vector.number("context"), vector.frame("inner"))]


@cases("stt.txt")
def test_an_stt_vector_is_whole_with_its_last_segment_and_not_before(vector: Vector) -> None:
    receiver = Encapsulator("stt", FAR, NEAR)
    *early, last = segments(vector)
    for segment in early:
        assert receiver.pop(segment) == [], vector["name"]
    assert receiver.pop(last) == [(vector.number("context"), vector.frame("inner"))]


@cases("stt.txt")
def test_an_stt_vector_with_one_bit_turned_in_its_first_segment_is_refused(vector: Vector) -> None:
    damaged = bytearray(segments(vector)[0])
    damaged[-1] ^= 1
    with pytest.raises(NativeError, match="tunnel-outer-checksum"):
        Encapsulator("stt", FAR, NEAR).pop(bytes(damaged))


@cases("icmp.txt")
def test_an_icmp_vector_is_what_the_router_answers(vector: Vector) -> None:
    kind = ICMP_KINDS.get(vector["kind"])
    if kind is None:
        pytest.fail(f"unknown kind in the vector: {vector['kind']}")
    answer = icmp_error(
        vector.frame("about"), kind, vector["router-mac"], vector["router-ip"], vector.number("mtu")
    )
    assert answer == vector.frame("frame")
