"""A network of 200 ports is rolled back under traffic: every packet meets the old or the new network, none is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from lab_bench import Bench

from tulle.errors import TulleError
from tulle.lab.waiting import wait_until

PORTS = 200
NODES = ("node1", "node2", "node3")
PROBE = Path(__file__).with_name("told_packets.py")
STEADY, LEFT, RIGHT, SHUT, OPENED = 4009, 4007, 4017, 4011, 4013
"""Kinds of packets: always delivered; dropped at one end or at the other; delivered before, or after."""
TOLD = [LEFT, RIGHT, SHUT, OPENED]
NODE_LINES = "".join(f"  - {{name: {node}, encapsulations: [stt]}}\n" for node in NODES)


def port(at: int) -> tuple[str, str]:
    """MAC and IP address."""
    return f"02:00:00:00:{at >> 8:02x}:{at & 255:02x}", f"10.0.{at >> 8}.{at & 255}"


def places(node: int) -> list[int]:
    return [at for at in range(1, PORTS + 1) if at % len(NODES) == node]


def networks(*, second: bool) -> str:
    """Where the first one drops as packets enter, the second does as they leave, and the other way round."""
    ends = ("to-port", "from-port") if second else ("from-port", "to-port")
    drops = [
        ("left", ends[0], LEFT),
        ("right", ends[1], RIGHT),
        ("door", "to-port", OPENED if not second else SHUT),
    ]
    lines = ["networks:", "- name: red", "  switches: [{name: lan, subnets: [10.0.0.0/16]}]", "  acls:"]
    lines += [
        f"  - {{name: {acl}, direction: {end}, switch: lan, priority: 9, match: 'udp,dport={kind}', action: drop}}"
        for acl, end, kind in drops
    ]
    lines.append("  ports:")
    for at in range(1, PORTS + 1):
        mac, address = port(at)
        place = f"node: {NODES[at % len(NODES)]}"
        lines.append(f"  - {{name: p{at}, switch: lan, mac: '{mac}', addresses: [{address}], {place}}}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("lab"), "vers")
    text = f"underlay: {{subnet: 172.31.0.0/24}}\nnodes:\n{NODE_LINES}{networks(second=False)}"
    bench.path.write_text(text)
    try:
        bench.up()
        for at, node in enumerate(NODES):
            plug_in(bench, node, places(at))
        wait_until(lambda: bound(bench) == PORTS, what="all ports to be bound", limit_s=60)
        bench.client.snapshot("red", "first")
        bench.client.apply(networks(second=True), wait=True, timeout_s=60)
        bench.client.snapshot("red", "second")
        yield bench
    finally:
        bench.down()


def plug_in(lab: Bench, node: str, ports: list[int]) -> None:
    """TAP devices of the switch that stay in the node, as a hypervisor's would."""
    add = [
        f"-- add-port br-int p{at} -- set Interface p{at} type=tap external_ids:iface-id=red/p{at}"
        for at in ports
    ]
    lab.run(lab.node(node), "sysctl", "-q", "net.ipv6.conf.default.disable_ipv6=1")
    database = f"--db=unix:{lab.directory(node)}/db.sock"
    lab.run(lab.node(node), "ovs-vsctl", "--no-wait", database, *" ".join(add).split()[1:])
    up = "; ".join(f"ip link set p{at} up" for at in ports)
    wait_until(lambda: made(lab, node) >= set(ports), what=f"TAP devices of {node}", limit_s=60)
    lab.run(lab.node(node), "sh", "-ec", up)


def made(lab: Bench, node: str) -> set[int]:
    devices = orjson.loads(lab.run(lab.node(node), "ip", "-j", "link", "show"))
    return {int(one["ifname"][1:]) for one in devices if one["ifname"][1:].isdigit()}


def bound(lab: Bench) -> int:
    return sum(one["bound"] is not None for one in lab.client.ports("red"))


class Prober:
    """The workloads of one node."""

    def __init__(self, lab: Bench, at: int) -> None:
        command = [
            "nsenter",
            f"--net=/run/netns/{lab.node(NODES[at])}",
            sys.executable,
            str(PROBE),
            str(at),
        ]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        own = [[f"p{one}", *port(one)] for one in places(at)]
        far = [port(one) for other in range(len(NODES)) if other != at for one in places(other)]
        self.write({"own": own, "far": far, "steady": STEADY, "told": TOLD})

    def read(self) -> bytes:
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    def write(self, document: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(orjson.dumps(document) + b"\n")
        self._child.stdin.flush()

    def close(self) -> None:
        self._child.kill()
        self._child.communicate()


class Traffic:
    """Packets between all nodes; `count` says afterwards how many of a kind were sent, and which arrived."""

    def __init__(self, lab: Bench) -> None:
        self._probers = [Prober(lab, at) for at in range(len(NODES))]
        self._told: list[dict[str, Any]] = []

    def start(self) -> None:
        assert all(one.read() == b"ready\n" for one in self._probers)
        self.say("start")

    def say(self, what: str) -> None:
        for one in self._probers:
            one.write(what)

    def end(self) -> None:
        self.say("end")
        time.sleep(1)  # what is under way arrives
        self.say("tell")
        self._told = [orjson.loads(one.read()) for one in self._probers]

    def count(self, kind: int) -> list[tuple[int, list[int]]]:
        """For each sender: how many it sent, and the numbers that arrived, sorted."""
        every = []
        for at, one in enumerate(self._told):
            seen = [number for other in self._told for number in other["seen"].get(f"{at} {kind}", ())]
            every.append((one["sent"][str(kind)], sorted(seen)))
        return every

    def close(self) -> None:
        for one in self._probers:
            one.close()


@contextmanager
def traffic(lab: Bench) -> Iterator[Traffic]:
    made = Traffic(lab)
    try:
        made.start()
        time.sleep(0.5)
        yield made
        time.sleep(0.5)
        made.end()
    finally:
        made.close()


def counters(lab: Bench) -> dict[tuple[str, str], int]:
    """Packets by object and node."""
    return {(one["name"], one["node"]): one["packets"] for one in lab.client.counters("red")}


def lost(traffic: Traffic) -> dict[str, int]:
    counts = traffic.count(STEADY)
    return {"sent": sum(sent for sent, _ in counts), "lost": sum(sent - len(got) for sent, got in counts)}


def leaked(traffic: Traffic) -> int:
    """Packets that neither the old nor the new network delivers."""
    return sum(len(got) for kind in (LEFT, RIGHT) for _, got in traffic.count(kind))


def of_each_port(at: int, kind: int, numbers: Iterable[int]) -> dict[int, list[int]]:
    """Numbers by the port they were sent from, in turn with others; on a busy machine ports overtake each other."""
    found: dict[int, list[int]] = defaultdict(list)
    for number in numbers:
        found[(2 * (len(TOLD) * number + TOLD.index(kind)) + 1) % len(places(at))].append(number)
    return found


def turned_once(traffic: Traffic, *, to_second: bool) -> None:
    """Each port goes over once: what is delivered before is whole until then, and so is what is after."""
    before, after = (OPENED, SHUT) if not to_second else (SHUT, OPENED)
    for kind in (before, after):
        for at, (sent, got) in enumerate(traffic.count(kind)):
            assert 0 < len(got) < sent, (kind, sent, len(got))
            every, came = of_each_port(at, kind, range(sent)), of_each_port(at, kind, got)
            for one, numbers in came.items():
                whole = every[one][: len(numbers)] if kind == before else every[one][-len(numbers) :]
                assert numbers == whole, (kind, sent, one, numbers, every[one])


def test_a_rollback_of_200_ports_under_traffic_mixes_and_loses_nothing(lab: Bench) -> None:
    flows = {node: len(lab.rules(node)) for node in NODES}
    counted = counters(lab)
    for snapshot in ("first", "second"):
        with traffic(lab) as sent:
            began = time.monotonic()
            lab.client.rollback("red", snapshot, wait=True, timeout_s=60)
            print(f"to {snapshot} in {time.monotonic() - began:.2f} s")
        print(lost(sent), "leaked", leaked(sent))
        assert lost(sent)["sent"] > 1000
        assert lost(sent)["lost"] == 0, lost(sent)
        assert leaked(sent) == 0
        turned_once(sent, to_second=snapshot == "second")
        before, counted = counted, counters(lab)
        backwards = {one: (packets, counted.get(one, 0)) for one, packets in before.items() if one in counted}
        assert all(was <= now for was, now in backwards.values()), backwards
    assert {node: len(lab.rules(node)) for node in NODES} == flows


def finished(lab: Bench, generations: dict[str, int]) -> None:
    """Return when every node has the network in one version alone."""

    def reached() -> bool:
        with suppress(TulleError):
            lab.client.wait(generations, 1)
            return True
        return False

    wait_until(reached, what="the end of the rollback", limit_s=60)


def check(sent: Traffic) -> None:
    assert lost(sent)["sent"] > 1000
    assert (lost(sent)["lost"], leaked(sent)) == (0, 0), (lost(sent), leaked(sent))


def test_a_rollback_waits_for_an_agent_and_outlives_the_controller(lab: Bench) -> None:
    with traffic(lab) as sent:
        lab.kill("node2/agent")
        generations = lab.client.rollback("red", "first")["generations"]
        time.sleep(0.5)
        lab.kill("controller")
        lab.restart("controller")
        lab.restart("node2/agent")
        finished(lab, generations)
    check(sent)
    turned_once(sent, to_second=False)
    lab.client.rollback("red", "second", wait=True, timeout_s=60)


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", [20, 80, 150, 300, 600])
@pytest.mark.parametrize("roles", [("controller",), ("node1/agent",), ("node2/agent", "controller")])
def test_killed_at_any_step_a_rollback_ends_and_mixes_nothing(
    lab: Bench, roles: tuple[str, ...], delay_ms: int
) -> None:
    for snapshot in ("first", "second"):
        with traffic(lab) as sent:
            generations = lab.client.rollback("red", snapshot)["generations"]
            time.sleep(delay_ms / 1000)
            for role in roles:
                lab.kill(role)
            for role in roles:
                lab.restart(role)
            finished(lab, generations)
        check(sent)
        turned_once(sent, to_second=snapshot == "second")


@pytest.mark.slow
def test_a_node_without_an_agent_is_gone_on_without_and_keeps_its_traffic(lab: Bench) -> None:
    """Between it and the others packets may meet a mix until its agent is back; that they arrive counts more."""
    lab.kill("node3/agent")
    with traffic(lab) as sent:
        generations = lab.client.rollback("red", "first")["generations"]
        time.sleep(12)
    assert lost(sent)["lost"] == 0, lost(sent)
    gone_on = sent.count(OPENED)[NODES.index("node1")]
    assert 0 < len(gone_on[1]) < gone_on[0], "node1 waits for ever"
    with traffic(lab) as sent:
        lab.restart("node3/agent")
        finished(lab, generations)
    assert lost(sent)["lost"] == 0, lost(sent)
    lab.client.rollback("red", "second", wait=True, timeout_s=60)
