"""What the agent does with packets of ACLs, and the meters and zones that go with them."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import pytest

from tulle._native import emit_frame, icmp_error
from tulle.agent.counters import flow_drops
from tulle.agent.policy import PolicyPath
from tulle.agent.zones import forget_connections, remembered, reused_zones
from tulle.errors import Unavailable
from tulle.openflow import DumpedFlow, PacketIn
from tulle.openflow.meters import emit_meter_deletions, emit_meters
from tulle.values import LocalPort, TunnelPort

FRAME = "tcp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,tcp_dst=22"
ACL = 42


class Path:
    """The product's path with a clock and a log of its own."""

    def __init__(self, reason: str, table: int) -> None:
        self.now = 0.0
        self.lines: list[dict[str, Any]] = []
        self.table = table
        self.path = PolicyPath(icmp_error, lambda: self.now, self.lines.append)
        self.configure(reason)

    def configure(self, reason: str) -> None:
        self.path.configure({(self.table, ACL): reason, (20, 1): "ttl-exceeded"}, {ACL: "acl red/no-ssh"})

    def answer(self, frame: bytes | None = None) -> Any:
        return self.path.answer(self.packet(frame))

    def packet(self, frame: bytes | None = None, cookie: int = ACL) -> PacketIn:
        registers = {"reg14": 5, "reg15": 6}
        return PacketIn(1, self.table, cookie, 9, registers, frame or emit_frame(FRAME))


def test_a_reject_at_the_receiver_travels_from_its_port() -> None:
    answer = Path("reject", 63).answer()
    assert answer.actions == "set_field:0x9->metadata,set_field:0x6->reg14,set_field:0->reg10,resubmit(,12)"


def test_a_reject_at_the_sender_goes_back_to_it_past_its_rules() -> None:
    answer = Path("reject", 53).answer()
    assert answer.actions == "set_field:0x9->metadata,set_field:0x5->reg15,resubmit(,41)"


def test_a_line_names_the_rule_and_the_packet_and_their_rate_is_bounded() -> None:
    path = Path("log 2 drop", 10)
    assert [path.answer() for _ in range(5)] == [None] * 5
    assert len(path.lines) == 2 and path.path.counts["limited"] == 3
    said = {"rule": "red/no-ssh", "action": "drop", "direction": "from-port", "protocol": "tcp"}
    assert said.items() <= path.lines[0].items() and path.lines[0]["dport"] == 22
    path.now = 1.0
    path.answer()
    assert len(path.lines) == 3


def test_a_rate_that_changes_counts_from_then_on_and_the_same_rate_keeps_its_count() -> None:
    path = Path("log 2 drop", 10)
    for _ in range(3):
        path.answer()
    path.configure("log 2 drop")
    path.answer()
    assert len(path.lines) == 2
    path.configure("log 5 drop")
    for _ in range(9):
        path.answer()
    assert len(path.lines) == 7


def test_many_rules_together_are_bounded_for_a_network_and_for_the_node() -> None:
    lines: list[dict[str, Any]] = []
    path = PolicyPath(icmp_error, lambda: 0.0, lines.append)
    owners = {cookie: f"acl net{cookie % 5}/rule{cookie}" for cookie in range(1, 51)}
    path.configure({(10, cookie): "log 1000 drop" for cookie in owners}, owners)

    def offer(cookie: int, count: int) -> int:
        before = len(lines)
        for _ in range(count):
            path.answer(PacketIn(1, 10, cookie, 9, {}, b"\0" * 14))
        return len(lines) - before

    # All rules of one network, one of another, then all that the node has left.
    assert sum(offer(cookie, 150) for cookie in owners if cookie % 5 == 1) == 1000
    assert offer(2, 100) == 100
    assert sum(offer(cookie, 100) for cookie in owners if cookie % 5 > 1) == 1900
    assert offer(5, 10) == 0
    assert path.counts["logged"] == 3000


def test_packets_of_routers_and_of_unknown_flows_are_not_its_concern() -> None:
    path = Path("reject", 63)
    assert path.path.concerns(path.packet()) and not path.path.concerns(path.packet(cookie=1))


def test_strange_frames_are_logged_without_an_error() -> None:
    path = Path("log 1000 reject", 63)
    whole = emit_frame(FRAME)
    for length in range(len(whole)):
        path.answer(whole[:length] or b"\0")
    assert len(path.lines) == len(whole)


def test_a_meter_that_may_be_there_is_modified_and_then_added() -> None:
    made = emit_meters({1: 5, 2: 5}, {1: 5, 2: 7})
    commands = [made[at + 8 : at + 10] for at in range(0, len(made), 32)]
    assert commands == [b"\0\1", b"\0\0"] and len(made) == 64
    assert made[:4] == bytes([4, 29, 0, 32]) and made[12:16] == bytes([0, 0, 0, 2])
    assert made[20:24] == bytes([0, 0, 0, 7]), made.hex()
    assert len(emit_meter_deletions([1, 2])) == 32


def test_only_numbers_that_are_new_to_a_workload_lose_their_connections() -> None:
    before = {LocalPort("red/a"): 1, TunnelPort("node2", "stt"): 2}
    after = {LocalPort("red/a"): 1, LocalPort("red/b"): 2, TunnelPort("node3", "stt"): 3}
    assert reused_zones(before, after) == [2]
    assert reused_zones(None, after) == [], "an agent that has just begun"
    assert reused_zones({}, after) == [1, 2], "an agent that had no ports yet"


def test_a_port_without_a_number_for_a_moment_keeps_its_connections_unless_another_got_it() -> None:
    a, b = LocalPort("red/a"), LocalPort("red/b")
    away = remembered({a: 1}, {}, {a})
    assert reused_zones(away, {a: 1}) == []
    assert reused_zones(remembered({a: 1}, {}, set()), {a: 1}) == [1], "it was unplugged"
    other = remembered(away, {b: 1}, {a, b})
    assert reused_zones(other, {a: 1}) == [1]
    assert remembered(None, {a: 1}, {a}) == {a: 1}


async def test_a_flush_without_an_answer_fails_and_one_that_the_switch_does_not_know_is_let_be(
    tmp_path: pathlib.Path,
) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(4096))
        if len(asked) > 1:
            writer.write(b'{"id":1,"result":null,"error":"no such command"}')
        writer.close()

    await forget_connections(tmp_path / "nothing.ctl", [3])
    async with await asyncio.start_unix_server(answer, tmp_path / "switch.ctl"):
        with pytest.raises(Unavailable, match="port 3"):
            await forget_connections(tmp_path / "switch.ctl", [3])
        await forget_connections(tmp_path / "switch.ctl", [3])
    assert len(asked) == 2 and b"zone=3" in asked[0]


def test_a_rule_that_does_more_than_drop_counts_as_a_drop_all_the_same() -> None:
    texts = [
        "cookie=0x2a,table=63,priority=1 actions=controller(max_len=65535,meter_id=9)",
        "cookie=0x2a,table=63,priority=2 actions=ct(commit,zone=reg12[0..15])",
        "cookie=0x2a,table=63,priority=3 actions=ct_clear,CONTROLLER:65535,resubmit(,41)",
    ]
    flows = [DumpedFlow(text, 1, 60, 1.0) for text in texts]
    assert flow_drops(flows, {ACL: "acl red/no-ssh"}) == {("acl", "red/no-ssh", 63): 2}
