"""Packets that ACLs hand to the agent: it writes a line about them, and answers those that are rejected.

Both at a bounded rate for each ACL, for all of a network and for all of a node, whatever the switch lets through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tulle.openflow import PacketIn
from tulle.values import pipeline

from .frame_words import Words, frame_words
from .rejecting import IcmpError, rejection
from .slowpath import Answer, TokenBucket

REJECTS_PER_S: Final = 100.0
NETWORK_PER_S: Final = 1000.0
NODE_PER_S: Final = 3000.0
"""Lines and answers: no tenant alone can use up what the node has."""
Line = Callable[[Words], None]
Reasons = Mapping[tuple[int, int], str]


class PolicyPath:
    """`answer` takes the packets that `concerns` says; `write` gets each line as a mapping."""

    def __init__(self, icmp_error: IcmpError, clock: Callable[[], float], write: Line) -> None:
        self._icmp_error = icmp_error
        self._clock = clock
        self._write = write
        self._reasons: dict[tuple[int, int], str] = {}
        self._owners: Mapping[int, str] = {}
        self._buckets: dict[tuple[int, str, float], TokenBucket] = {}
        self._networks: dict[str, TokenBucket] = {}
        self._node = TokenBucket(NODE_PER_S, NODE_PER_S)
        self.counts = {"rejected": 0, "logged": 0, "limited": 0, "silent": 0}

    def configure(self, reasons: Reasons, owners: Mapping[int, str]) -> None:
        """Know why flows of ACLs hand packets up, and which ACLs they are of."""
        self._reasons = {key: reason for key, reason in reasons.items() if is_policy(reason)}
        self._owners = owners
        known = {(cookie, *one) for (_, cookie), reason in self._reasons.items() for one in _rates(reason)}
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in known}
        networks = {self._network(cookie) for cookie, *_ in known}
        self._networks = {name: bucket for name, bucket in self._networks.items() if name in networks}

    def concerns(self, packet: PacketIn) -> bool:
        """Whether an ACL handed the packet up."""
        return (packet.table, packet.cookie) in self._reasons

    def answer(self, packet: PacketIn) -> Answer | None:
        """What to send in return; None where nothing is due."""
        reason = self._reasons[packet.table, packet.cookie]
        rates = dict(_rates(reason))
        if "log" in rates:
            self._log(packet, rates["log"], reason.split()[2])
        return self._reject(packet) if "reject" in rates else None

    def _log(self, packet: PacketIn, rate: float, action: str) -> None:
        if not self._allowed(packet.cookie, "log", rate):
            return
        self.counts["logged"] += 1
        rule = self._owners.get(packet.cookie, "").removeprefix("acl ")
        direction = "from-port" if _is_from_port(packet) else "to-port"
        self._write({"rule": rule, "action": action, "direction": direction, **frame_words(packet.frame)})

    def _reject(self, packet: PacketIn) -> Answer | None:
        if not self._allowed(packet.cookie, "reject", REJECTS_PER_S):
            return None
        frame = rejection(packet.frame, self._icmp_error)
        if frame is None:
            self.counts["silent"] += 1
            return None
        self.counts["rejected"] += 1
        return Answer(_way_back(packet), frame)

    def _allowed(self, cookie: int, what: str, rate: float) -> bool:
        bucket = self._buckets.setdefault((cookie, what, rate), TokenBucket(rate, max(1.0, rate)))
        shared = self._networks.setdefault(self._network(cookie), TokenBucket(NETWORK_PER_S, NETWORK_PER_S))
        now = self._clock()
        # The smallest first: what one ACL has too much of takes nothing from the others.
        allowed = all(one.take(now) for one in (bucket, shared, self._node))
        self.counts["limited"] += not allowed
        return allowed

    def _network(self, cookie: int) -> str:
        return self._owners.get(cookie, "").removeprefix("acl ").partition("/")[0]


def is_policy(reason: str) -> bool:
    """Whether a flow hands packets up for an ACL, rather than for a router."""
    return reason == "reject" or reason.startswith("log ")


def _rates(reason: str) -> Iterator[tuple[str, float]]:
    """What a flow of an ACL hands packets up for, and how many a second are served."""
    words = reason.split()
    if words[0] == "log":
        yield "log", float(words[1])
    if words[-1] == "reject":
        yield "reject", REJECTS_PER_S


def _is_from_port(packet: PacketIn) -> bool:
    first, last = pipeline.FROM_PORT_ZONE, pipeline.FROM_PORT_VERDICT
    return packet.table == pipeline.FROM_PORT_ACL or first <= packet.table <= last


def _way_back(packet: PacketIn) -> str:
    """To the port that sent it, or, from the port that was not to get it, into that port's switch."""
    datapath = f"set_field:{packet.metadata:#x}->metadata"
    if _is_from_port(packet):
        port = packet.registers.get("reg14", 0)
        return f"{datapath},set_field:{port:#x}->reg15,resubmit(,{pipeline.DELIVER})"
    port = packet.registers.get("reg15", 0)
    return f"{datapath},set_field:{port:#x}->reg14,set_field:0->reg10,resubmit(,{pipeline.SWITCH_LOOKUP})"
