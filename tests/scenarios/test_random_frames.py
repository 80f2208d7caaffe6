"""Any bytes from a workload or out of a tunnel: they end somewhere, with a reason, in their own network."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_lab import MemoryLab
from memory_node import Delivered, Hop
from minutes import ROOT

from tulle._native import emit_frame
from tulle.logical import parse_file

EXAMPLE = ROOT / "examples" / "two-tenants.yaml"
SETTINGS = settings(max_examples=300, deadline=None, derandomize=True)
LAB = MemoryLab(parse_file(EXAMPLE.read_text(), EXAMPLE.name))
WAY = "dl_src=02:00:00:00:01:11"
SEEDS = [
    emit_frame(f"tcp,{WAY},dl_dst=02:00:00:00:01:12,nw_src=10.0.1.11,nw_dst=10.0.1.12", b"x" * 40),
    emit_frame(f"tcp6,{WAY},dl_dst=02:00:00:00:01:01,ipv6_src=fd00:1::11,ipv6_dst=fd00:2::12", b"x" * 40),
    emit_frame(f"udp,{WAY},dl_dst=02:00:00:00:01:13,nw_src=10.0.1.11,nw_dst=10.0.1.13"),
    emit_frame(f"icmp,{WAY},dl_dst=02:00:00:00:01:01,nw_src=10.0.1.11,nw_dst=10.0.1.1,icmp_type=8"),
    emit_frame(f"arp,{WAY},dl_dst=ff:ff:ff:ff:ff:ff,arp_op=1,arp_spa=10.0.1.11,arp_tpa=10.0.1.12"),
    emit_frame(
        f"icmp6,{WAY},dl_dst=33:33:ff:00:00:12,nw_ttl=255,icmpv6_type=135", bytes(16) + b"\1\1" + bytes(6)
    ),
]
EDITS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Garbage, or a good frame with some bytes changed, cut short, tagged or made longer."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=120))
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    for at, value in draw(EDITS):
        frame[at % len(frame)] = value
    if draw(st.booleans()):
        frame[12:12] = b"\x81\x00" + draw(st.binary(min_size=2, max_size=2))
    end = draw(st.integers(0, len(frame)) | st.just(len(frame)))
    return bytes(frame[:end]) + draw(st.binary(max_size=8))


def strangers(hops: list[Hop], network: str) -> list[str]:
    ports = [end.port for hop in hops for end in hop.ends if isinstance(end, Delivered)]
    return [port for port in ports if not port.startswith(f"{network}/")]


@SETTINGS
@given(frames())
def test_what_a_workload_sends_ends_in_its_own_network(frame: bytes) -> None:
    hops = LAB.send("red/web1", frame)
    assert strangers(hops, "red") == []
    assert all(hop.ends for hop in hops), hops


@SETTINGS
@given(frames(), st.integers(0, 2**64 - 1) | st.integers(0, 2**24), st.sampled_from(("node2", "node3")))
def test_what_comes_out_of_a_tunnel_ends_in_the_network_of_its_context(
    frame: bytes, context: int, remote: str
) -> None:
    bits = LAB.known[LAB.encapsulation(remote, "node1")].context_bits
    number = context % (1 << bits)
    names = {number: name.partition("/")[0] for name, number in LAB.ids.datapaths.items()}
    hop = LAB.receive_popped(remote, "node1", number, frame)
    assert strangers([hop], names.get(number % (1 << 24), "")) == []
    assert hop.ends, hop
