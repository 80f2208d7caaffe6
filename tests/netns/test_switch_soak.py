"""Two switches over a wire that loses, doubles, delays and damages, for as long as `SOAK_S` says (default 600 seconds).

What workloads get is byte for byte what others have sent, whole or in the pieces that TCP is cut into; memory and
descriptors of the switches stay flat; when the wire is good again, everything arrives, and nothing waits for its rest.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from moving_traffic import Side
from patience import eventually
from tunnel_peers import add_tunnel, drops, inside, namespaces
from vswitch_process import VswitchProcess, ip

SOAK_S = float(os.environ.get("SOAK_S", "600"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
GROWTH_KB_MAX = 16 << 10
PHASES = 8
PORT = re.compile(r"port +(\d+): rx pkts=(\d+),[^\n]*\n +tx pkts=(\d+), bytes=\d+, drop=(\d+)")
SURE, SHORT = 200, 1000
REASSEMBLY_S = 35
"""Longer than an incomplete frame waits for its rest."""
KINDS = ("stt", "vxlan", "geneve", "gre")
LONGEST = {"stt": 60_000, "vxlan": 1400, "geneve": 1400, "gre": 1400}
ID = os.getpid()
NODES, WORKLOADS, WIRE = (
    (f"tulle-so{ID}", f"tulle-sp{ID}"),
    (f"tulle-sv{ID}", f"tulle-sw{ID}"),
    f"tulle-sx{ID}",
)
WITHIN = (
    "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation",
    "tx-gre-segmentation",
    "tx-gre-csum-segmentation",
)


class Node:
    """A switch with a tunnel of each kind and a workload's device behind each."""

    def __init__(self, number: int, directory: Path) -> None:
        self.space, self.workload = NODES[number], WORKLOADS[number]
        self.number = number
        self.switch = VswitchProcess(directory, self.space)

    def set_up(self) -> None:
        self.switch.vsctl("add-br", "br0", "--", "set-fail-mode", "br0", "secure")
        for index, kind in enumerate(KINDS, 1):
            self._plug(index, kind)
            options = {"remote_ip": f"192.0.2.{2 - self.number}", "key": str(index), "csum": "true"}
            add_tunnel(self.switch, kind, kind, 10 + index, **options)
            self.switch.ofctl("add-flow", f"in_port={index},actions=output:{10 + index}")
            self.switch.ofctl("add-flow", f"in_port={10 + index},actions=output:{index}")

    def _plug(self, index: int, kind: str) -> None:
        words = ["type=tap", f"ofport_request={index}"]
        device = f"tap-{kind}"
        self.switch.vsctl("add-port", "br0", device, "--", "set", "Interface", device, *words)
        ip("-n", self.space, "link", "set", "dev", device, "netns", self.workload)
        ip("-n", self.workload, "addr", "add", f"10.0.{index}.{1 + self.number}/24", "dev", device)
        ip("-n", self.workload, "link", "set", device, "mtu", str(LONGEST[kind]), "up")

    def cut(self, word: str) -> None:
        """Whether the device of the underlay takes super-frames (`on`), or the kernel cuts them (`off`)."""
        inside(self.space, "ethtool", "-K", "u0", "tx", word, "tso", word, "gso", word, "gro", word)

    def footprint(self) -> tuple[int, int]:
        """Resident memory in KB, and how many descriptors are open."""
        process = Path(f"/proc/{self.switch.forwarding_pid}")
        status = (process / "status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(resident.split()[1]), len(list((process / "fd").iterdir()))

    def packets(self) -> dict[str, int]:
        """Packets received, sent and dropped by all ports to workloads, and by all tunnels."""
        found: Counter[str] = Counter()
        for number, received, sent, dropped in PORT.findall(self.switch.ofctl("dump-ports")):
            way = "tunnel" if int(number) > 10 else "workload"
            found += Counter(
                {f"{way} rx": int(received), f"{way} tx": int(sent), f"{way} dropped": int(dropped)}
            )
        return found


def ask(side: Side, line: str) -> dict[str, Any]:
    side.write(line)
    answer: dict[str, Any] = json.loads(side.read())
    return answer


@contextmanager
def soaked(directory: Path) -> Iterator[tuple[list[Node], list[Side], Side]]:
    """Both switches, what their workloads do, and the wire between them."""
    here = Path(__file__)
    with ExitStack() as stack:
        stack.enter_context(namespaces(*NODES, *WORKLOADS, WIRE))
        for number, space in enumerate(NODES):
            ip(
                "link",
                "add",
                "u0",
                "netns",
                space,
                "type",
                "veth",
                "peer",
                "name",
                f"w{number}",
                "netns",
                WIRE,
            )
            inside(WIRE, "sysctl", "-qw", f"net.ipv6.conf.w{number}.disable_ipv6=1")
            ip("-n", WIRE, "link", "set", f"w{number}", "up")
            ip("-n", space, "addr", "add", f"192.0.2.{1 + number}/24", "dev", "u0")
            ip("-n", space, "link", "set", "u0", "up")
            inside(space, "ethtool", "-K", "u0", *(each for name in WITHIN for each in (name, "off")))
        nodes = []
        for number in (0, 1):
            nodes.append(Node(number, directory / f"node{number}"))
            stack.callback(nodes[-1].switch.stop)
            nodes[-1].set_up()
        wire = Side(WIRE, "w0", "w1", str(SEED), script=here.with_name("soak_wire.py"))
        stack.callback(wire.close)
        devices = [f"tap-{kind}={longest}" for kind, longest in LONGEST.items()]
        sides = []
        for number in (1, 0):
            words = (str(number), str(SEED), *devices)
            sides.insert(0, Side(WORKLOADS[number], *words, script=here.with_name("soak_frames.py")))
            stack.callback(sides[0].close)
        assert [one.read() for one in (wire, *sides)] == ["ready"] * 3
        yield nodes, sides, wire


def storm(nodes: list[Node], sides: list[Side], wire: Side, seconds: float) -> list[list[tuple[int, int]]]:
    """Everything at once on a bad wire; the footprints after each phase."""
    ask(wire, "bad")
    for side in sides:
        ask(side, "go")
    footprints = []
    for phase in range(PHASES):
        for node in nodes:
            node.cut("off" if phase % 2 else "on")
            node.switch.vsctl("set", "Interface", "gre", f"type={('gre', 'nvgre')[phase // 2 % 2]}")
        time.sleep(seconds / PHASES)
        footprints.append([node.footprint() for node in nodes])
    for side in sides:
        ask(side, "stop")
    return footprints


def check_sure(sides: list[Side]) -> None:
    """Each frame that is sent now arrives."""
    before = [ask(side, "counts")["counts"] for side in sides]
    for _ in range(10):
        for side in sides:
            ask(side, f"sure {SURE // 10}")

    def came() -> bool:
        now = [ask(side, "counts")["counts"] for side in sides]
        return all(
            one[f"tap-{kind}/came-small"] == old.get(f"tap-{kind}/came-small", 0) + SURE
            for one, old in zip(now, before, strict=True)
            for kind in KINDS
        )

    eventually(came, lambda: f"{before} {[ask(side, 'counts')['counts'] for side in sides]}", 0.2)


def came_enough(counts: dict[str, int]) -> bool:
    """Most of what was sent by each device."""
    return all(
        counts[f"tap-{kind}/came-small"] > counts[f"tap-{kind}/sent-small"] / 2
        and counts.get(f"tap-{kind}/came-bytes", 0) > 0
        for kind in KINDS
    )


def is_ready(sides: list[Side]) -> bool:
    """Whether both get frames by all devices."""
    answers = [ask(side, "sure 1")["counts"] for side in sides]
    return all(f"tap-{kind}/came-small" in one for one in answers for kind in KINDS)


def sums(nodes: list[Node], wire: Side) -> list[Counter[str]]:
    """What each node says of frames and of packets of tunnels, and what the wire says of its packets."""
    said = ask(wire, "counts")
    found = []
    for number, node in enumerate(nodes):
        lost, totals = drops(node.switch), Counter(node.packets())
        for what, to in (("in", 1 - number), ("out", number)):
            totals[f"wire {what}"] = sum(said.get(f"{to}/{kind}/{what}", 0) for kind in KINDS)
        totals["refused"] = sum(count for reason, count in lost.items() if is_of_tunnels(reason))
        found.append(totals)
    return found


def is_of_tunnels(reason: str) -> bool:
    """Whether it is a reason for which a packet that came by a tunnel was lost."""
    return reason.startswith(("stt-", "vxlan-", "geneve-", "gre-", "nvgre-", "tunnel-"))


def check_sums(nodes: list[Node], sides: list[Side], wire: Side) -> None:
    """Of short frames on a wire that damages none, each is accounted for at each place."""
    before = sums(nodes, wire)
    ask(wire, "lossy")
    for _ in range(SHORT // 50):
        for side in sides:
            ask(side, "short 50")
    last: list[Counter[str]] = []

    def add_up() -> bool:
        now = sums(nodes, wire)
        last[:] = [new - old for new, old in zip(now, before, strict=True)]
        return all(
            one["workload rx"] >= SHORT * len(KINDS)
            and one["workload rx"] == one["tunnel tx"] + one["tunnel dropped"]
            and one["tunnel tx"] == one["wire in"]
            and one["wire out"] == one["tunnel rx"] + one["refused"]
            and one["tunnel rx"] == one["workload tx"] + one["workload dropped"]
            for one in last
        )

    eventually(add_up, lambda: f"{last}", 0.5)
    ask(wire, "good")
    print("accounted for", last)


def check_flat(footprints: list[list[tuple[int, int]]]) -> None:
    """From the first quarter on, neither memory nor descriptors grow."""
    for number in (0, 1):
        early, late = footprints[PHASES // 4 - 1][number], footprints[-1][number]
        assert late[0] - early[0] < GROWTH_KB_MAX, footprints
        assert late[1] == early[1], footprints


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 600)
def test_two_switches_deliver_what_was_sent_and_nothing_else_whatever_the_wire_does(tmp_path: Path) -> None:
    with soaked(tmp_path) as (nodes, sides, wire):
        ask(wire, "good")
        eventually(lambda: is_ready(sides), "frames to pass both ways", 0.2)
        footprints = storm(nodes, sides, wire, SOAK_S)
        said = ask(wire, "good")
        answers = [ask(side, "counts") for side in sides]
        lost = [drops(node.switch) for node in nodes]
        print(json.dumps({"wire": said, "workloads": answers, "footprints": footprints, "drops": lost}))
        assert not any(answer["wrong"] for answer in answers), answers
        assert all(came_enough(answer["counts"]) for answer in answers), answers
        check_flat(footprints)
        time.sleep(REASSEMBLY_S)
        given_up = [drops(node.switch).get("stt-timeout", 0) for node in nodes]
        check_sure(sides)
        check_sums(nodes, sides, wire)
        time.sleep(REASSEMBLY_S)
        assert [drops(node.switch).get("stt-timeout", 0) for node in nodes] == given_up, "something was left"
