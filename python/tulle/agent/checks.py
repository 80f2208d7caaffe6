"""Health checks of backends on this node: whom to ask when, and what the answers mean.  Without I/O; `now` in seconds.

TCP is asked by a segment that begins a connection, which is reset as soon as it is answered.  A UDP backend is up
unless the host says that nobody is there (RFC 1122 section 4.1.3.1): silence is not an answer, nor its absence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from struct import unpack_from
from typing import Final

from tulle.agent.rejecting import ACK, SYN, IcmpError, rejection
from tulle.agent.slowpath import Answer
from tulle.openflow import PacketIn
from tulle.values import BackendState, LocalPort, Probe, pipeline
from tulle.values.translation import PROBE_PORT_FIRST, PROBE_PORT_MASK

PATIENCE_S: Final = 2.0
FAILURES: Final = 2
"""So many unanswered questions in a row mean that a backend is down; one answer, that it is up."""
ETHERNET_BYTES, IPV4_BYTES, IPV6_BYTES, ICMP_BYTES = 14, 20, 40, 8


class _Asked:
    """One backend."""

    def __init__(self, now: float) -> None:
        self.next = now
        self.until: float | None = None
        self.number = 0
        self.failures = 0
        self.up: bool | None = None


class Checks:
    """`configure` when flows have changed, `due` now and then, `answer` for each packet that `concerns` it."""

    def __init__(self, emit: Callable[[str, bytes | None], bytes], icmp_error: IcmpError) -> None:
        self._emit, self._icmp_error = emit, icmp_error
        self._asked: dict[Probe, _Asked] = {}
        self._reasons: frozenset[tuple[int, int]] = frozenset()
        self._by_number: dict[int, Probe] = {}
        self._number = 0

    def configure(
        self,
        probes: Iterable[Probe],
        ports: Collection[object],
        reasons: Iterable[tuple[tuple[int, int], str]],
        now: float,
    ) -> None:
        """Ask these, as far as their ports are here; what is known of those that stay is kept."""
        wanted = [one for one in probes if LocalPort(f"{one.network}/{one.port}") in ports]
        self._asked = {one: self._asked.get(one) or _Asked(now) for one in wanted}
        self._by_number = {number: one for number, one in self._by_number.items() if one in self._asked}
        self._reasons = frozenset(key for key, reason in reasons if reason == "check")

    @property
    def idle(self) -> bool:
        """Whether there is nobody to ask."""
        return not self._asked

    def states(self) -> tuple[BackendState, ...]:
        """What is known, by load balancer and address."""
        found: dict[tuple[str, str, str], bool] = {}
        for probe, one in self._asked.items():
            if one.up is not None:
                key = probe.network, probe.balancer, probe.address
                found[key] = one.up and found.get(key, True)
        return tuple(BackendState(*key, up) for key, up in sorted(found.items()))

    def due(self, now: float) -> list[Answer]:
        """The questions to ask now; those that were not answered in time count."""
        questions = []
        for probe, one in self._asked.items():
            if one.until is not None and now >= one.until:
                self._settle(one, served=probe.protocol == "udp")
            if one.until is None and now >= one.next:
                one.next = max(now, one.next + probe.every_s)
                one.until = now + min(PATIENCE_S, probe.every_s)
                questions.append(Answer(_into_port(probe), self._question(probe, one)))
        return questions

    def concerns(self, packet: PacketIn) -> bool:
        """Whether a flow handed the packet up as an answer."""
        return (packet.table, packet.cookie) in self._reasons

    def answer(self, packet: PacketIn) -> Answer | None:
        """Note what a backend says; a connection that it has begun is reset."""
        heard = _heard(packet.frame)
        probe = self._by_number.get(heard[0]) if heard is not None else None
        if heard is None or probe is None:
            return None
        number, served = heard
        one = self._asked[probe]
        if one.number == number and one.until is not None:
            self._settle(one, served=served)
        reset = rejection(packet.frame, self._icmp_error) if probe.protocol == "tcp" and served else None
        return None if reset is None else Answer(_into_port(probe), reset)

    def _settle(self, one: _Asked, *, served: bool) -> None:
        one.until = None
        one.failures = 0 if served else one.failures + 1
        if served:
            one.up = True
        elif one.failures >= FAILURES:
            one.up = False

    def _question(self, probe: Probe, one: _Asked) -> bytes:
        self._number = (self._number + 1) & ~PROBE_PORT_MASK & 0xFFFF
        one.number = PROBE_PORT_FIRST | self._number
        self._by_number[one.number] = probe
        six = ":" in probe.vip
        source, target = ("ipv6_src", "ipv6_dst") if six else ("nw_src", "nw_dst")
        flags = ",tcp_flags=+syn" if probe.protocol == "tcp" else ""
        words = (
            f"{probe.protocol}{'6' if six else ''},dl_src={probe.vip_mac},dl_dst={probe.port_mac},"
            f"{source}={probe.vip},{target}={probe.address},nw_ttl=64,"
            f"{probe.protocol}_src={one.number},{probe.protocol}_dst={probe.dport}{flags}"
        )
        return self._emit(words, None)


def _into_port(probe: Probe) -> str:
    """Straight to the workload."""
    return (
        f"set_field:{probe.datapath:#x}->metadata,set_field:0->reg14,"
        f"set_field:{probe.key:#x}->reg15,resubmit(,{pipeline.DELIVER})"
    )


def _heard(frame: bytes) -> tuple[int, bool] | None:
    """The number of the question that a frame answers, and whether it says that somebody serves."""
    six = frame[12:14] == pipeline.ETH_IPV6.to_bytes(2, "big")
    at = ETHERNET_BYTES + (IPV6_BYTES if six else (frame[ETHERNET_BYTES] & 15) * 4)
    protocol = frame[ETHERNET_BYTES + (6 if six else 9)]
    if protocol in (pipeline.PROTO_ICMP, pipeline.PROTO_ICMP6):
        quoted = at + ICMP_BYTES + (IPV6_BYTES if six else IPV4_BYTES)
        return (unpack_from("!H", frame, quoted)[0], False) if len(frame) >= quoted + 2 else None
    if len(frame) < at + (14 if protocol == pipeline.PROTO_TCP else 4):
        return None
    (number,) = unpack_from("!H", frame, at + 2)
    if protocol == pipeline.PROTO_TCP:
        return number, frame[at + 13] & (SYN | ACK) == SYN | ACK
    return number, True
