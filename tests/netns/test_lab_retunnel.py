"""The encapsulation changes under traffic: probes once a millisecond, a TCP connection, processes that die."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from lab_bench import Bench
from patience import eventually

from tulle.errors import Unavailable
from tulle.lab.measure import frames_captured

FEW = 20
HANDFUL = 5
"""Probes that may be lost in one change; the aim is none."""
TRAFFIC = Path(__file__).with_name("live_traffic.py")
WEB1, WEB2 = "10.0.1.11", "10.0.1.12"
NODES = """
  - {name: node1, encapsulations: [stt, vxlan, geneve, gre]}
  - {name: node2, encapsulations: [stt, vxlan, geneve, gre]}
"""
NETWORK = """
  - name: %s
    switches:
      - {name: web, subnets: [10.0.1.0/24]}
    ports:
      - {name: web1, switch: web, node: node1, addresses: [10.0.1.11], namespace: %s-%s-web1}
      - {name: web2, switch: web, node: node2, addresses: [10.0.1.12], namespace: %s-%s-web2}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("lab"), "retu")
    networks = "".join(NETWORK % (red, bench.name, red, bench.name, red) for red in ("red", "blue"))
    bench.path.write_text(f"underlay: {{subnet: 172.31.0.0/24}}\nnodes:{NODES}networks:{networks}")
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


class Side:
    """One process in a workload."""

    def __init__(self, namespace: str, *words: str) -> None:
        command = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, str(TRAFFIC), *words]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self) -> list[str]:
        assert self._child.stdout is not None
        return self._child.stdout.readline().split(maxsplit=1)

    def write(self, text: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{text}\n")
        self._child.stdin.flush()

    def close(self) -> None:
        self._child.kill()
        self._child.communicate()


class Probes:
    """Probes in both directions between `start` and `lost`."""

    def __init__(self, lab: Bench, network: str) -> None:
        self._sides = [
            Side(lab.workload(f"{network}-web1"), "probe", WEB1, WEB2),
            Side(lab.workload(f"{network}-web2"), "probe", WEB2, WEB1),
        ]

    def start(self) -> None:
        """Both listen before one sends."""
        for side in self._sides:
            assert side.read() == ["ready"]
        for side in self._sides:
            side.write("go")

    def lost(self) -> tuple[int, int, list[str]]:
        """(sent, lost, the first of these), both directions together."""
        for side in self._sides:
            side.write("end")
        sent = [int(side.read()[1]) for side in self._sides]
        for side, other in zip(self._sides, reversed(sent), strict=True):
            side.write(str(other))
        said = [side.read()[1].strip() for side in self._sides]
        return sum(sent), sum(int(one.rpartition(" ")[2]) for one in said), said

    def close(self) -> None:
        for side in self._sides:
            side.close()


class Stream:
    """A TCP connection that sends 50 Mbit a second until it is `whole`."""

    def __init__(self, lab: Bench, network: str) -> None:
        self._sides = [Side(lab.workload(f"{network}-web2"), "receive", WEB2)]
        self._lab, self._network = lab, network

    def start(self) -> None:
        """Return when the connection is there."""
        (receiver,) = self._sides
        assert receiver.read() == ["ready"]
        self._sides.append(Side(self._lab.workload(f"{self._network}-web1"), "send", WEB1, WEB2))
        assert self._sides[1].read() == ["ready"]

    def whole(self) -> int:
        """The number of bytes that came, as they were sent."""
        receiver, sender = self._sides
        sender.write("end")
        sent, received = sender.read(), receiver.read()
        assert sent == received
        return int(sent[1])

    def close(self) -> None:
        for side in self._sides:
            side.close()


@contextmanager
def traffic(lab: Bench, network: str) -> Iterator[tuple[Probes, Stream]]:
    lab.wait_pings(f"{network}-web1", WEB2)
    lab.wait_pings(f"{network}-web2", WEB1)
    with ExitStack() as stack:
        stream = Stream(lab, network)
        stack.callback(stream.close)
        stream.start()
        probes = Probes(lab, network)
        stack.callback(probes.close)
        probes.start()
        yield probes, stream


def carried(lab: Bench, seconds: float = 0.15) -> set[str]:
    """The encapsulations of the probes on the wire of node1 now; kernels in workloads say a word now and then too."""
    with frames_captured([(lab.node("underlay"), "port1")]) as frames:
        time.sleep(seconds)
    counts = Counter(kind(frame) for _, frame in frames)
    return {name for name, count in counts.items() if name and count > FEW}


def kind(frame: bytes) -> str:
    """The encapsulation of an IPv4 frame, empty for others; the addresses of the controller's TCP are others."""
    protocol, port = frame[23], int.from_bytes(frame[36:38], "big")
    if frame[12:14] != b"\x08\x00":
        return ""
    return {(17, 4789): "vxlan", (17, 6081): "geneve", (6, 7471): "stt"}.get(
        (protocol, port), "gre" if protocol == 47 else ""
    )


def pair(lab: Bench, network: str = "") -> dict[str, Any]:
    (found,) = [one for one in lab.client.tunnels() if one["network"] == network]
    return found


def tunnels_made(lab: Bench, node: str) -> set[str]:
    """The tunnel interfaces that a switch has."""
    database = f"unix:{lab.directory(node)}/db.sock"
    done = subprocess.run(
        ["ovs-vsctl", f"--db={database}", "list-ports", "br-int"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {name.partition("-")[0] for name in done.stdout.split() if "-node" in name}


def answers(lab: Bench) -> bool:
    with suppress(Unavailable):
        return bool(lab.client.nodes())
    return False


def wait_settled(lab: Bench, network: str, wanted: str) -> None:
    def reached() -> bool:
        found = pair(lab, network)
        return found["encapsulation"] == wanted and found["coming"] is None

    eventually(reached, f"{network} to go by {wanted}")


def test_no_probe_and_no_byte_is_lost_while_the_encapsulation_of_a_network_changes(lab: Bench) -> None:
    losses: dict[str, Any] = {}
    with traffic(lab, "red") as (first, stream):
        probes = first
        for wanted in ("vxlan", "geneve", "gre", "stt"):
            lab.client.prefer("red", [wanted], wait=True)
            assert carried(lab) == {wanted}
            # The tunnel that was left is taken away under the same traffic.
            eventually(lambda w=wanted: tunnels_made(lab, "node1") == {w, "stt"}, "one tunnel")
            losses[wanted] = probes.lost()
            probes.close()
            probes = Probes(lab, "red")
            probes.start()
        probes.close()
        assert stream.whole() > 1_000_000
    print(losses)
    assert all(sent > 200 and lost <= HANDFUL for sent, lost, _ in losses.values()), losses


def test_an_agent_and_the_controller_that_die_between_two_steps_only_delay_a_change(lab: Bench) -> None:
    with traffic(lab, "red") as (probes, stream):
        lab.kill("node2/agent")
        lab.client.prefer("red", ["vxlan"])
        eventually(lambda: pair(lab, "red")["coming"] == "vxlan", "the announcement")
        lab.kill("controller")
        assert carried(lab) == {"stt"}
        lab.restart("controller")
        eventually(lambda: answers(lab), "the controller")
        assert carried(lab) == {"stt"} and pair(lab, "red")["coming"] == "vxlan"
        lab.restart("node2/agent")
        wait_settled(lab, "red", "vxlan")
        assert carried(lab) == {"vxlan"}
        sent, lost, which = probes.lost()
        assert stream.whole() > 100_000
    assert sent > 500 and lost <= HANDFUL, (sent, lost, which)


def test_networks_and_nodes_have_orders_of_their_own_and_what_cannot_be_is_said(lab: Bench) -> None:
    assert lab.tulle("network", "set", "red", "--encapsulations", "gre,geneve").returncode == 0
    lab.client.prefer_at("node2", ["stt", "geneve"], wait=True)
    wait_settled(lab, "red", "geneve")
    assert pair(lab, "red")["reason"] == "second choice of red; node2 without gre"
    assert pair(lab)["encapsulation"] == "stt"
    for network in ("red", "blue"):
        lab.wait_pings(f"{network}-web1", WEB2)
        halves = lab.json("trace", network, "web1", f"icmp,dst={WEB2}")["halves"]
        assert halves[1]["outputs"][0]["port"] == f"{network}/web2", halves
    assert lab.tulle("node", "set", "node1", "--encapsulations", "vxlan").returncode == 0
    said = "users want nothing that both do; as the agents say: first choice of both"
    assert pair(lab)["reason"] == said
    lab.client.prefer("red", ["nvgre"], wait=True)
    shown = lab.tulle("network", "show", "red").stdout
    assert "red prefers nvgre, which the two do not share; as the nodes prefer" in shown, shown
    refused = lab.tulle("network", "set", "red", "--encapsulations", "vxlam")
    assert refused.returncode == 1 and "did you mean" in refused.stderr, refused.stderr
