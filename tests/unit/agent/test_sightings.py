"""What a node remembers of packets that it sees, without devices."""

from __future__ import annotations

import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from tulle._native import emit_frame
from tulle.agent import sightings
from tulle.agent.capturing import Places, Point, Received
from tulle.agent.outer import outer
from tulle.agent.sightings import Pursuit, carried, pursuit_request
from tulle.errors import InvalidInput

WORDS = "tcp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64"
ASKED = {"id": "1", "network": "red", "port": "web1", "matches": ["tcp,dport=80"], "count": 2}
PLACES = Places({}, {}, {})


def frame(sport: int = 4000, dport: int = 80) -> bytes:
    return bytearray(emit_frame(f"{WORDS},tcp_src={sport},tcp_dst={dport}"))


def numbered(number: int, dport: int = 80) -> bytes:
    made = bytearray(frame(dport=dport))
    made[38:42] = number.to_bytes(4)
    return bytes(made)


def seen(pursuit: Pursuit, port: str, out: bool, data: bytes, at_ns: int = 1) -> None:
    with socket.socket() as unused:
        pursuit._note(PLACES, Point(unused, f"red/{port}", "port"), Received(at_ns, out, "tap", data))


def test_only_so_many_of_what_the_port_sends_are_taken_and_each_once() -> None:
    pursuit = Pursuit(pursuit_request(ASKED))
    for number in (1, 1, 2, 3):
        seen(pursuit, "web1", True, numbered(number))
    seen(pursuit, "web1", False, numbered(9))
    seen(pursuit, "web2", True, numbered(10))
    seen(pursuit, "web1", True, numbered(11, dport=81))
    answer = pursuit.answer(None)
    assert len(answer["entered"]) == 2
    assert [one["says"][-5:] for one in answer["entered"].values()] == ["seq 1", "seq 2"]
    assert len(answer["sightings"]) == 3, "the first one was sent twice"


def test_what_came_before_everything_was_watched_is_not_followed() -> None:
    pursuit = Pursuit(pursuit_request(ASKED))
    pursuit._since_ns = 10
    for number, at_ns in ((1, 9), (2, 10)):
        seen(pursuit, "web1", True, numbered(number), at_ns)
    assert [one["says"][-5:] for one in pursuit.answer(None)["entered"].values()] == ["seq 2"]


def test_others_tell_of_the_packets_that_they_are_asked_for_alone() -> None:
    first, other = Pursuit(pursuit_request(ASKED)), Pursuit(pursuit_request({**ASKED, "port": "db1"}))
    seen(first, "web1", True, numbered(1))
    for number in (1, 2):
        seen(other, "db2", False, numbered(number), 5)
    (digest,) = first.answer(None)["entered"]
    assert other.answer([digest])["sightings"] == [
        {"digest": digest, "at_ns": 5, "out": False, "port": "db2"},
    ]
    assert other.answer([digest])["entered"] == {}


def test_what_is_remembered_is_bounded_and_what_was_forgotten_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sightings, "REMEMBERED_MAX", 3)
    pursuit = Pursuit(pursuit_request(ASKED))
    for number in range(5):
        seen(pursuit, "web2", False, numbered(number))
    assert pursuit.answer([])["forgotten"] == 2


@pytest.mark.parametrize("options", [b"", bytes(12)])
def test_all_frames_behind_one_outer_header_are_found(options: bytes) -> None:
    inside = [numbered(number) for number in (1, 2, 3)]
    header = bytes([len(options) // 4]) + b"\0eX\0\0\5\0" + options
    udp = Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=6081)
    data = bytes(udp / b"".join(header + one for one in inside))
    found = outer(data)
    assert found is not None and [one for one, _ in carried(data, found)][2] == inside[2]
    assert [len(one) for one, _ in carried(data[:-10], found)] != []
    assert len(list(carried(data, found))) == 3


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"count": 101}, {"seconds": 0}, {"seconds": 601}, {"matches": []}, {"more": 1}],
)
def test_a_wrong_question_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="trace: "):
        pursuit_request({**ASKED, **wrong})
