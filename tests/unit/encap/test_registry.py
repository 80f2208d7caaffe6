"""The registry of encapsulations."""

from __future__ import annotations

import pytest

from tulle._native import Encapsulator, NativeError
from tulle.control.mtu import IPV6_MORE_BYTES
from tulle.encap import encapsulations, register, unregister
from tulle.errors import Conflict, InvalidInput
from tulle.values import Encapsulation


def test_the_built_in_ones_have_the_sizes_of_their_headers() -> None:
    known = encapsulations()
    assert (known["stt"].context_bits, known["stt"].overhead_bytes, known["stt"].limited_by_mtu) == (
        64,
        72,
        False,
    )
    sizes = {name: (one.context_bits, one.overhead_bytes) for name, one in known.items()}
    assert (sizes["vxlan"], sizes["geneve"]) == ((24, 50), (24, 50))
    assert (sizes["gre"], sizes["nvgre"]) == ((32, 42), (24, 42))


@pytest.mark.parametrize("name", ["vxlan", "geneve", "gre", "nvgre"])
@pytest.mark.parametrize(
    ("ends", "more"), [(("10.0.0.1", "10.0.0.2"), 0), (("fd00::1", "fd00::2"), IPV6_MORE_BYTES)]
)
def test_the_overhead_is_what_the_native_side_puts_in_front_of_a_frame(
    name: str, ends: tuple[str, str], more: int
) -> None:
    known = encapsulations()[name]
    longest = bytes(14) + bytes(1500 - known.overhead_bytes - more)
    (outer,) = Encapsulator(name, *ends).push(longest, 2**known.context_bits - 1)
    assert len(outer) == 14 + 1500
    with pytest.raises(NativeError, match="exceed the path MTU"):
        Encapsulator(name, *ends).push(longest + bytes(1), 1)
    with pytest.raises(NativeError, match="context has more bits"):
        Encapsulator(name, *ends).push(longest, 2**known.context_bits)


@pytest.mark.parametrize("name", ["stt", "vxlan", "geneve", "gre", "nvgre"])
@pytest.mark.parametrize("ends", [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_every_built_in_one_carries_a_frame_over_both_underlays(name: str, ends: tuple[str, str]) -> None:
    near, far = Encapsulator(name, *ends), Encapsulator(name, *reversed(ends))
    frame = bytes(range(14)) + b"a frame of some length" * 20
    (outer,) = near.push(frame, 0x123456)
    assert far.pop(outer) == [(0x123456, frame)]


def test_ends_of_two_families_make_no_tunnel() -> None:
    with pytest.raises(NativeError, match="both IPv4 or both IPv6"):
        Encapsulator("vxlan", "10.0.0.1", "fd00::2")


def test_another_one_can_be_registered_and_forgotten() -> None:
    toy = Encapsulation("toy", 64, 30)
    register(toy)
    try:
        register(toy)
        assert encapsulations()["toy"] == toy
        with pytest.raises(Conflict, match="toy is registered already"):
            register(Encapsulation("toy", 24, 30))
    finally:
        unregister("toy")
    assert "toy" not in encapsulations()


def test_a_context_must_have_room_for_a_datapath() -> None:
    with pytest.raises(InvalidInput, match="24 bits or more"):
        register(Encapsulation("tiny", 16, 4))
    assert "tiny" not in encapsulations()
