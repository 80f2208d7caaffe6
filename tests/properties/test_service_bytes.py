"""Whatever a workload sends to a service: an answer or silence, never an exception, and never to others."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tulle.agent.services import Services, dhcp4, dhcp6, names
from tulle.agent.services.datagram import Datagram, emit_datagram, parse_datagram
from tulle.agent.services.router_advertisement import is_solicitation
from tulle.control import allocate
from tulle.logical import compile_services, parse_file
from tulle.openflow import PacketIn
from tulle.values import SERVICES, DnsZone, Ids

ROOT = Path(__file__).parents[2]
NETWORK = parse_file((ROOT / "examples" / "services.yaml").read_text(), "services.yaml").networks[0]
IDS = allocate((NETWORK,), Ids())
GOLDEN = [
    bytes.fromhex(line.removeprefix("question = "))
    for line in (ROOT / "tests" / "vectors" / "services.txt").read_text().splitlines()
    if line.startswith("question = ")
]
ZONE = DnsZone("shop.internal", {"web1": ("10.0.1.11",)}, ("10.0.1.0/24",))
HEADERS = 42


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    """A golden question with some bytes changed, and perhaps cut or longer."""
    frame = bytearray(draw(st.sampled_from(GOLDEN)))
    for _ in range(draw(st.integers(0, 6))):
        frame[draw(st.integers(12, len(frame) - 1))] = draw(st.integers(0, 255))
    return bytes(frame[: draw(st.integers(0, len(frame)))] if draw(st.booleans()) else frame) + draw(
        st.binary(max_size=40)
    )


@given(
    st.one_of(nearly_right(), st.binary(max_size=600)),
    st.sampled_from(SERVICES),
    st.sampled_from(NETWORK.ports),
)
def test_no_frame_breaks_a_service_or_is_answered_elsewhere(frame: bytes, service: str, port: object) -> None:
    name, switch = f"shop/{port.switch}/{port.name}", f"shop/{port.switch}"  # type: ignore[attr-defined]
    made = Services(lambda: 0.0)
    made.configure(compile_services(NETWORK, IDS), {(11, 1): f"{service} of {switch}"}, {})
    key = IDS.ports[name]
    found = made.answer(PacketIn(1, 11, 1, IDS.datapaths[switch], {"reg14": key}, frame))
    assert made.counts["broken"] == 0
    if found is not None:
        assert found.actions.endswith(f"set_field:{key:#x}->reg15,resubmit(,41)")
        assert 0 < len(found.frame) <= 1514


@given(st.one_of(nearly_right().map(lambda frame: frame[HEADERS:]), st.binary(max_size=600)))
def test_no_bytes_raise_in_a_codec(data: bytes) -> None:
    parse_datagram(data)
    is_solicitation(data)
    dhcp4.parse_request(data)
    dhcp6.parse_request(data)
    names.answer(data, ZONE)


ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)),
    st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6)),
)


@given(ADDRESSES, st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=300))
def test_a_datagram_is_read_as_it_was_written(
    ends: tuple[object, object], source: int, target: int, payload: bytes
) -> None:
    one = Datagram(
        "02:00:00:00:00:01", "02:00:00:00:00:02", str(ends[0]), str(ends[1]), source, target, payload
    )
    assert parse_datagram(emit_datagram(one)) == one
