"""The registry of encapsulations."""

from __future__ import annotations

import pytest

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
    sizes = {"vxlan": (24, 50), "geneve": (24, 50), "gre": (32, 42), "nvgre": (24, 42)}
    for name, expected in sizes.items():
        assert (known[name].context_bits, known[name].overhead_bytes) == expected, name


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
