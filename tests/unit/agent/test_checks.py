"""Health checks: who is asked when, and what answers and silence mean."""

from __future__ import annotations

from tulle._native import emit_frame, icmp_error
from tulle.agent.checks import Checks
from tulle.agent.slowpath import Answer
from tulle.openflow import PacketIn
from tulle.values import BackendState, LocalPort, Probe

VIP_MAC, MAC = "02:00:00:00:00:80", "02:00:00:00:00:11"
TCP = Probe("red", "shop", "10.0.1.11", "web1", "tcp", 8080, "192.0.2.80", VIP_MAC, MAC, 7, 3, 5)
UDP = Probe("red", "dns", "fd00:1::11", "web1", "udp", 53, "2001:db8::53", VIP_MAC, MAC, 7, 3, 5)
REASONS = (((10, 99), "check"), ((10, 98), "reject"))


def checks(*probes: Probe) -> Checks:
    made = Checks(emit_frame, icmp_error)
    made.configure(probes, {LocalPort("red/web1")}, REASONS, 0.0)
    return made


def packet(frame: bytes) -> PacketIn:
    return PacketIn(1, 10, 99, 7, {}, frame)


def number_of(question: Answer, six: bool = False) -> int:
    at = 14 + (40 if six else 20)
    return int.from_bytes(question.frame[at : at + 2], "big")


def said(number: int, flags: str) -> PacketIn:
    words = (
        f"tcp,dl_src={MAC},dl_dst={VIP_MAC},nw_src=10.0.1.11,nw_dst=192.0.2.80,nw_ttl=64,"
        f"tcp_src=8080,tcp_dst={number},tcp_flags={flags}"
    )
    return packet(emit_frame(words))


def state(up: bool) -> tuple[BackendState, ...]:
    return (BackendState("red", "shop", "10.0.1.11", up),)


def test_a_backend_that_answers_is_up_and_its_connection_reset() -> None:
    made = checks(TCP)
    assert made.states() == ()
    (question,) = made.due(0.0)
    assert question.actions.endswith("set_field:0x3->reg15,resubmit(,41)")
    reset = made.answer(said(number_of(question), "+syn+ack"))
    assert reset is not None and reset.frame[14 + 20 + 13] == 4
    assert made.states() == state(up=True)
    assert made.due(4.9) == [] and len(made.due(5.0)) == 1


def test_two_silences_are_down_and_one_answer_is_up_again() -> None:
    made = checks(TCP)
    made.due(0.0)
    made.due(5.0)
    assert made.states() == ()
    made.due(7.0)
    assert made.states() == state(up=False)
    (question,) = made.due(10.0)
    made.answer(said(number_of(question), "+syn+ack"))
    assert made.states() == state(up=True)


def test_a_refusal_is_heard_at_once() -> None:
    made = checks(TCP)
    for now in (0.0, 5.0):
        (question,) = made.due(now)
        assert made.answer(said(number_of(question), "+rst+ack")) is None
    assert made.states() == state(up=False)


def test_an_answer_to_an_old_question_says_nothing() -> None:
    made = checks(TCP)
    (old,) = made.due(0.0)
    made.due(5.0)
    made.answer(said(number_of(old), "+syn+ack"))
    assert made.states() == ()


def test_a_udp_backend_is_up_unless_its_host_says_otherwise() -> None:
    made = checks(UDP)
    (question,) = made.due(0.0)
    made.due(2.0)
    assert [one.up for one in made.states()] == [True]
    for now in (5.0, 10.0):
        (question,) = made.due(now)
        error = icmp_error(question.frame, "host-unreachable", MAC, "fd00:1::11")
        assert error is not None
        assert made.answer(packet(error)) is None
    assert [one.up for one in made.states()] == [False]


def test_only_backends_that_are_here_are_asked() -> None:
    made = Checks(emit_frame, icmp_error)
    made.configure([TCP], {LocalPort("red/web2")}, REASONS, 0.0)
    assert made.due(0.0) == [] and made.idle


def test_what_is_known_stays_when_others_come() -> None:
    made = checks(TCP)
    made.answer(said(number_of(made.due(0.0)[0]), "+syn+ack"))
    made.configure([TCP, UDP], {LocalPort("red/web1")}, REASONS, 1.0)
    assert made.states() == state(up=True)


def test_only_flows_of_checks_concern_it() -> None:
    made = checks(TCP)
    assert made.concerns(said(1, "+ack"))
    assert not made.concerns(PacketIn(1, 10, 98, 7, {}, b""))


def test_garbage_is_not_an_answer() -> None:
    made = checks(TCP, UDP)
    (question, _) = made.due(0.0)
    whole = said(number_of(question), "+syn+ack").frame
    for size in range(34, 47):
        assert made.answer(packet(whole[:size])) is None
    assert made.states() == ()
