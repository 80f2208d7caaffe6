"""What ports say of groups: learned, asked for, sent on, and forgotten."""

from __future__ import annotations

from struct import pack

import pytest

from tulle._native import emit_frame
from tulle.agent.multicast import Heard, SnoopedSwitch, Snooping, emit_query, parse_message
from tulle.openflow import PacketIn
from tulle.values import FLOOD_KEY, ROUTER_GROUP, Membership, Multicast, pipeline

GROUP, OTHER, GROUP6 = "239.1.2.3", "239.1.2.4", "ff15::7"
MAC = "02:00:00:00:00:01"
SWITCH = SnoopedSwitch(
    "red", "lan", 5, Multicast(query_s=10, idle_s=30), {1: "a", 2: "b", 3: "wall"}, frozenset({3})
)
REASONS = {(12, 7): pipeline.MEMBERSHIP}


def ipv4(message: bytes) -> bytes:
    return emit_frame(f"ip,dl_src={MAC},nw_src=10.0.0.1,nw_dst=224.0.0.22,nw_proto=2", message)


def ipv6(message: bytes) -> bytes:
    header = pack("!IHBB", 6 << 28, 8 + len(message), 0, 1) + bytes(32)
    return bytes(12) + b"\x86\xdd" + header + bytes((58, 0, 5, 2, 0, 0, 1, 0)) + message


def records4(*records: tuple[int, str, int]) -> bytes:
    made = pack("!BBHHH", 0x22, 0, 0, 0, len(records))
    for kind, group, sources in records:
        made += pack("!BBH", kind, 0, sources) + bytes(map(int, group.split("."))) + bytes(4 * sources)
    return made


def heard(frame: bytes, key: int = 1, reg10: int = 0, metadata: int = 5) -> PacketIn:
    return PacketIn(9, 12, 7, metadata, {"reg14": key, "reg10": reg10}, frame)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def snooping(clock: Clock) -> Snooping:
    made = Snooping(clock)
    made.configure([SWITCH])
    made.listen(REASONS)
    return made


def member(group: str, port: str = "a") -> Membership:
    return Membership("red", "lan", group, port)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (ipv4(b"\x16\0\0\0\xef\x01\x02\x03"), Heard(joined=(GROUP,))),
        (ipv4(b"\x12\0\0\0\xef\x01\x02\x03"), Heard(joined=(GROUP,))),
        (ipv4(b"\x17\0\0\0\xef\x01\x02\x03"), Heard(left=(GROUP,))),
        (ipv4(records4((4, GROUP, 0), (3, OTHER, 0))), Heard(joined=(GROUP,), left=(OTHER,))),
        (ipv4(records4((3, GROUP, 2), (6, OTHER, 1))), Heard(joined=(GROUP,))),
        (ipv4(records4((4, "224.0.0.251", 0), (4, "10.0.0.1", 0))), Heard()),
        (ipv6(b"\x83" + bytes(7) + b"\xff\x15" + bytes(13) + b"\x07"), Heard(joined=(GROUP6,))),
        (ipv6(b"\x84" + bytes(7) + b"\xff\x15" + bytes(13) + b"\x07"), Heard(left=(GROUP6,))),
        (ipv6(b"\x8f" + bytes(6) + b"\x01\x04\0\0\0\xff\x15" + bytes(13) + b"\x07"), Heard(joined=(GROUP6,))),
        (ipv6(b"\x8f" + bytes(6) + b"\x01\x04\0\0\0\xff\x02" + bytes(13) + b"\x07"), Heard()),
        (emit_query(4, MAC, 125), Heard(is_query=True)),
        (emit_query(6, MAC, 125), Heard(is_query=True, is_of_router=True)),
        (emit_query(4, MAC, 125, GROUP), Heard(is_query=True)),
        (emit_frame(f"udp,dl_src={MAC},nw_src=10.0.0.1,udp_src=1"), None),
        (b"", None),
    ],
)
def test_each_message_says_what_it_says(frame: bytes, said: Heard | None) -> None:
    if frame and said == Heard() and frame[12:14] == b"\x86\xdd":
        frame = frame[:-15] + b"\x02" + frame[-14:] if frame[-16] == 0xFF else frame
    assert parse_message(frame) == said
    for size in range(len(frame)):
        parse_message(frame[:size])


def test_who_joins_is_known_until_nothing_is_heard(snooping: Snooping, clock: Clock) -> None:
    packet = heard(ipv4(records4((4, GROUP, 0))))
    assert snooping.concerns(packet)
    answers, is_changed = snooping.hear(packet)
    assert is_changed and snooping.memberships == {member(GROUP)}
    assert answers[0].frame == packet.frame and answers[0].actions.endswith(
        f"resubmit(,{pipeline.MULTICAST})"
    )
    assert not snooping.hear(packet)[1], "the same once more changes nothing"
    clock.now += 29
    snooping.hear(packet)
    clock.now += 29
    assert not snooping.due(clock.now)[1]
    clock.now += 2
    assert snooping.due(clock.now)[1] and not snooping.memberships


def test_who_leaves_is_asked_once_more(snooping: Snooping, clock: Clock) -> None:
    snooping.hear(heard(ipv4(records4((4, GROUP, 0)))))
    answers, is_changed = snooping.hear(heard(ipv4(b"\x17\0\0\0\xef\x01\x02\x03")))
    assert not is_changed and parse_message(answers[1].frame) == Heard(is_query=True)
    clock.now += 2.5
    assert snooping.due(clock.now)[1] and not snooping.memberships


def test_a_question_of_a_router_goes_to_everybody_and_makes_it_a_member_of_all(snooping: Snooping) -> None:
    frame = emit_query(6, MAC, 125)
    answers, is_changed = snooping.hear(heard(frame, key=2))
    assert is_changed and snooping.memberships == {member(ROUTER_GROUP, "b")}
    assert f"set_field:{FLOOD_KEY:#x}->reg15" in answers[0].actions


def test_nothing_is_learned_of_who_is_elsewhere_or_no_workload(snooping: Snooping) -> None:
    frame = ipv4(records4((4, GROUP, 0)))
    for packet in (heard(frame, reg10=1), heard(frame, key=9), heard(frame, key=3), heard(frame, metadata=6)):
        answers, is_changed = snooping.hear(packet)
        assert not is_changed and len(answers) == 1


def test_every_workload_is_asked_at_once_and_then_now_and_then(snooping: Snooping, clock: Clock) -> None:
    assert len(snooping.due(clock.now)[0]) == 4, "two workloads, in both families"
    assert snooping.due(clock.now + 9)[0] == []
    assert len(snooping.due(clock.now + 10)[0]) == 4


def test_a_port_that_comes_brings_its_groups_along(snooping: Snooping) -> None:
    told = {("node1", member(GROUP)), ("node2", member(OTHER, "b")), ("node2", member(GROUP, "gone"))}
    snooping.adopt(told, "node1")
    assert snooping.memberships == {member(GROUP), member(OTHER, "b")}
    snooping.configure([SWITCH])
    one = SnoopedSwitch("red", "lan", 5, SWITCH.multicast, {1: "a"})
    snooping.configure([one])
    assert snooping.memberships == {member(GROUP)}
    snooping.adopt({("node1", member(OTHER))}, "node1")
    assert snooping.memberships == {member(GROUP)}, "what it says itself it knows itself"


def test_a_port_has_room_for_so_many_groups(snooping: Snooping) -> None:
    for high in range(2):
        frame = ipv4(records4(*((4, f"239.0.{high}.{low}", 0) for low in range(200))))
        snooping.hear(heard(frame))
    assert len(snooping.memberships) == 256
