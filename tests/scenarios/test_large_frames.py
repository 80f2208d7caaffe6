"""Frames larger than the underlay's MTU: an encapsulation that cuts carries them whole."""

from __future__ import annotations

import pytest
from memory_lab import MemoryLab, Wire, native_wires
from memory_node import Delivered
from minutes import ROOT

from tulle._native import NativeError, emit_frame
from tulle.logical import parse_file

EXAMPLE = ROOT / "examples" / "two-tenants.yaml"
WAY = "dl_src=02:00:00:00:01:11,nw_src=10.0.1.11,tcp_src=1,tcp_dst=2"
UNDERLAY_MTU = 1500
ETHERNET_BYTES = 14
STT_BYTES = 18  # draft-davie-stt-08 section 3, ahead of the first segment only
SEGMENT_BYTES = UNDERLAY_MTU - 20 - 20


class Counted:
    """A wire that remembers the sizes of its outer frames."""

    def __init__(self, inner: Wire, sizes: list[int]) -> None:
        self._inner = inner
        self._sizes = sizes

    def push(self, frame: bytes, context: int) -> list[bytes]:
        outer = self._inner.push(frame, context)
        self._sizes += map(len, outer)
        return outer

    def pop(self, frame: bytes) -> list[tuple[int, bytes]]:
        return self._inner.pop(frame)


@pytest.mark.parametrize("payload_bytes", [100, 3000, 60000])
def test_a_large_frame_crosses_stt_in_pieces_and_arrives_whole(payload_bytes: int) -> None:
    sizes: list[int] = []
    make = native_wires()["stt"]
    wires = native_wires() | {"stt": lambda one, other: Counted(make(one, other), sizes)}
    lab = MemoryLab(parse_file(EXAMPLE.read_text(), EXAMPLE.name), wires)
    payload = bytes(at * 7 % 251 for at in range(payload_bytes))
    frame = emit_frame(f"tcp,{WAY},dl_dst=02:00:00:00:01:12,nw_dst=10.0.1.12", payload)
    hops = lab.send("red/web1", frame)
    assert [end for hop in hops for end in hop.ends][-1] == Delivered("red/web2", frame)
    assert len(sizes) == -(-(len(frame) + STT_BYTES) // SEGMENT_BYTES), sizes
    assert max(sizes) <= UNDERLAY_MTU + ETHERNET_BYTES, sizes


@pytest.mark.parametrize(("payload_bytes", "fits"), [(1410, True), (1411, False)])
def test_a_frame_that_vxlan_cannot_carry_is_refused(payload_bytes: int, fits: bool) -> None:
    """An IP packet of 1450 bytes is what 1500 leave (RFC 7348 section 5)."""
    lab = MemoryLab(parse_file(EXAMPLE.read_text(), EXAMPLE.name))
    frame = emit_frame(f"tcp,{WAY},dl_dst=02:00:00:00:01:13,nw_dst=10.0.1.13", bytes(payload_bytes))
    if fits:
        assert lab.send("red/web1", frame)[-1].ends == (Delivered("red/web3", frame),)
    else:
        with pytest.raises(NativeError, match="exceed the path MTU"):
            lab.send("red/web1", frame)
