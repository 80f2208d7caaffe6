"""The example of several ways out, with real packets: one node has our switch, the other one Debian's."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually

from tulle.lab import lifecycle
from tulle.lab.measure import frames_captured

EXAMPLE = Path(__file__).parents[2] / "examples" / "ways-out.yaml"
NETWORK, DEBIAN = "campus", "node2"
GATES = ("gate1", "gate2", "filter")
FLOWS, ROUNDS = 60, 2
WEBS = ("web1", "web2")
SEND = """
import socket, sys
kind, port, count, rounds, size = sys.argv[1], *map(int, sys.argv[2:])
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(rounds):
    for at in range(count):
        to = "203.0.113.%d" % (at + 1) if kind == "outside" else kind
        one.sendto(bytes(size), (to, port))
"""


class Ways(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "ways")
        self.text = re.sub(f"namespace: (?={NETWORK})", f"namespace: {self.name}-", EXAMPLE.read_text())
        self.path.write_text(self.text)

    def of(self, port: str) -> str:
        return self.workload(f"{NETWORK}-{port}")

    def sends(self, source: str, to: str, port: int, count: int, rounds: int = 1, size: int = 40) -> None:
        words = map(str, (to, port, count, rounds, size))
        self.run(self.of(source), "python3", "-c", SEND, *words)

    def received(self, port: str) -> tuple[int, int]:
        """Packets and bytes that a workload's device has been given."""
        lines = self.run(self.of(port), "cat", "/proc/net/dev").splitlines()
        size, packets, *_ = next(line for line in lines if "eth0:" in line).partition(":")[2].split()
        return int(packets), int(size)

    def counted(self, kind: str, name: str) -> int:
        rows = self.client.counters(NETWORK)
        return sum(row["packets"] for row in rows if row["kind"] == kind and row["name"] == name)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    bench = Ways(tmp_path_factory.mktemp("lab"))
    try:
        lifecycle.up(bench.path, debian_switches=[DEBIAN])
        yield bench
    finally:
        bench.down()


def caught(lab: Ways, source: str, to: str, port: int, count: int, rounds: int) -> dict[str, list[bytes]]:
    """IPv4 packets with this destination port that gateways get while a workload sends, until all are there."""
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    with frames_captured([(lab.of(gate), "eth0") for gate in GATES]) as frames:
        before = sum(lab.received(gate)[0] for gate in GATES)
        lab.sends(source, to, port, count, rounds)
        wanted = before + count * rounds
        eventually(
            lambda: sum(lab.received(gate)[0] for gate in GATES) >= wanted, f"{count} flows of {source}"
        )
    for space, frame in frames:
        if frame[12:14] == b"\x08\x00" and frame[36:38] == port.to_bytes(2, "big"):
            found[space.rpartition("-")[2]].append(frame)
    return dict(found)


@pytest.mark.parametrize("source", WEBS)
def test_flows_are_shared_by_weight_and_each_keeps_its_way(lab: Ways, source: str) -> None:
    lab.wait_pings(f"{NETWORK}-{source}", "10.9.9.11")
    lab.wait_pings(f"{NETWORK}-{source}", "10.9.9.12")
    found = caught(lab, source, "outside", 4000, FLOWS, ROUNDS)
    ways: defaultdict[bytes, list[str]] = defaultdict(list)
    for gate, frames in found.items():
        for frame in frames:
            ways[frame[30:34]].append(gate)
    assert len(ways) == FLOWS and all(len(set(gates)) == 1 for gates in ways.values()), ways
    shares = {gate: sum(gates[0] == gate for gates in ways.values()) for gate in GATES}
    # Three of four by the second one; what is outside of these bounds has a chance of less than 1 in 10,000.
    assert 30 <= shares["gate2"] <= 57 and shares["gate1"] == FLOWS - shares["gate2"], shares
    assert {frame[15] >> 2 for frames in found.values() for frame in frames} == {10}
    marked = caught(lab, source, "outside", 53, 3, 1)
    assert {frame[15] >> 2 for frames in marked.values() for frame in frames} == {46}


@pytest.mark.parametrize("source", WEBS)
def test_policies_go_before_routes(lab: Ways, source: str) -> None:
    connect = "import socket; s = socket.socket(); s.settimeout(0.3); s.connect_ex(('203.0.113.9', {}))"
    before = {name: lab.counted("policy", name) for name in ("mail-through-filter", "no-telnet")}
    with frames_captured([(lab.of(gate), "eth0") for gate in GATES]) as frames:
        for port in (25, 23):
            lab.run(lab.of(source), "python3", "-c", connect.format(port))
        more = lambda: all(lab.counted("policy", name) > count for name, count in before.items())  # noqa: E731
        eventually(more, "the counters of both policies")
    tcp = [(space, frame) for space, frame in frames if frame[12:14] == b"\x08\x00" and frame[23] == 6]
    assert tcp and {space for space, _ in tcp} == {lab.of("filter")}
    assert {int.from_bytes(frame[36:38], "big") for _, frame in tcp} == {25}
    assert any("no-telnet" in str(row) and row["reason"] == "policy" for row in lab.client.drops())


def test_traces_and_answers_name_routes_policies_and_limits(lab: Ways) -> None:
    text = str(lab.json("trace", NETWORK, "web1", "udp,dst=203.0.113.5,dport=4000"))
    assert f"limit {NETWORK}/web1/from-port" in text and f"route {NETWORK}/main 0.0.0.0/0 via" in text
    assert f"policy {NETWORK}/no-telnet" in str(
        lab.json("trace", NETWORK, "web1", "tcp,dst=10.9.9.13,dport=23")
    )
    (answer,) = lab.client.why(NETWORK, "web1", "filter", "tcp/23")["answers"]
    assert answer["agrees"] and not answer["reaches"] and f"policy {NETWORK}/no-telnet" in answer["by"]


def check_limit(lab: Ways, source: str, target: str, address: str, name: str, kbps: int, burst: int) -> None:
    """More than ten bursts are sent: what passes is a burst and what the rate allows, the rest is counted."""
    size, count = 1000, 10 * burst
    dropped, (_, before), began = lab.counted("limit", name), lab.received(target), time.monotonic()
    lab.sends(source, address, 5000, count // 8, 1, size)
    eventually(lambda: lab.counted("limit", name) > dropped, f"drops of {name}")
    passed_s = time.monotonic() - began
    kbit = (lab.received(target)[1] - before) * 8 / 1000
    assert burst / 2 < kbit < burst * 1.2 + kbps * passed_s * 1.2 + 100, (kbit, passed_s)
    assert any(
        row["reason"] == "limit" and row["object"] == f"{NETWORK}/{name}" for row in lab.client.drops()
    )


@pytest.mark.parametrize("port", WEBS)
def test_what_is_above_a_rate_is_dropped_and_counted(lab: Ways, port: str) -> None:
    check_limit(lab, port, "gate1", "10.9.9.11", f"{port}/from-port", 2000, 1000)
    address = {"web1": "10.9.1.11", "web2": "10.9.1.12"}[port]
    check_limit(lab, "gate1", port, address, f"{port}/to-port", 1000, 800)


def test_a_limit_goes_with_its_port(lab: Ways) -> None:
    before = lab.counted("limit", "web1/from-port")
    assert lab.tulle("port", "move", NETWORK, "web1", DEBIAN, "--wait").returncode == 0
    lab.wait_pings(f"{NETWORK}-web1", "10.9.9.11")
    assert lab.counted("limit", "web1/from-port") >= before
    check_limit(lab, "web1", "gate1", "10.9.9.11", "web1/from-port", 2000, 1000)
