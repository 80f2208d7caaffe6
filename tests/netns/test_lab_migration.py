"""A worker moves from node to node while it probes and downloads, through stateful ACLs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from moving_traffic import ORIGIN, WORKER, Migration, Side, traffic
from patience import eventually

SETTLE_S = 0.3
"""Traffic by a new node before the next move; it is no wait for anything."""
RARP = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.bind((sys.argv[1], 0))
    own = raw.getsockname()[4]
    raw.send(b"\\xff" * 6 + own + bytes.fromhex("80350001080006040003") + (own + bytes(4)) * 2)
"""
COUNT = Path(__file__).with_name("count_frames.py")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migration]:
    bench = Migration(tmp_path_factory.mktemp("lab"))
    try:
        bench.up()
        yield bench
    finally:
        bench.down()


def move(lab: Migration, node: str) -> None:
    lab.client.move_port("farm", "worker", node, wait=True)
    assert lab.bound() == node
    time.sleep(SETTLE_S)


def devices(lab: Migration) -> set[str]:
    """The devices of the worker that carry its address."""
    shown = json.loads(lab.run(lab.workload("farm-worker"), "ip", "-j", "address"))
    return {
        one["ifname"] for one in shown if any(address.get("local") == WORKER for address in one["addr_info"])
    }


def test_a_moving_port_loses_no_probe_and_no_byte_of_a_download(lab: Migration) -> None:
    with traffic(lab) as flowing:
        for node in ("node3", "node1", "node2"):
            move(lab, node)
        downloaded = flowing.downloaded()
        sent, lost, said = flowing.lost()
    assert sent > 2000
    assert lost == 0, (said, lab.state())
    assert downloaded > 1_000_000


def test_a_prepared_port_goes_with_its_first_packet_and_loses_nothing(lab: Migration) -> None:
    (old,) = wait_until_one(lab)
    with traffic(lab) as flowing:
        assert lab.client.prepare_port("farm", "worker", "node3"), "it is ready when that is said"
        assert len(devices(lab)) == 2 and activation(lab)
        listed = next(one for one in lab.client.ports("farm") if one["name"] == "worker")
        assert (listed["node"], listed["bound"], listed["prepared"]) == ("node2", "node2", "node3")
        (new,) = devices(lab) - {old}
        lab.run(lab.workload("farm-worker"), "python3", "-c", RARP, new)
        eventually(lambda: lab.bound() == "node3", "the node to take the port")
        asked = lambda: next(one["node"] for one in lab.client.ports("farm") if one["name"] == "worker")  # noqa: E731
        eventually(lambda: asked() == "node3", "the intent to follow")
        wait_until_one(lab)
        flowing.downloaded()
        _, lost, said = flowing.lost()
    assert lost == 0, (said, lab.state())
    move(lab, "node2")


def wait_until_one(lab: Migration) -> set[str]:
    eventually(lambda: len(devices(lab)) == 1, "the old device to go")
    return devices(lab)


def activation(lab: Migration) -> bool:
    return any("table=0," in flow and "controller" in flow.lower() for flow in lab.flows("node3"))


def test_what_is_prepared_can_be_cancelled(lab: Migration) -> None:
    wait_until_one(lab)
    said = lab.tulle("port", "prepare", "farm", "worker", "node1")
    assert "is ready" in said.stdout, said
    assert len(devices(lab)) == 2
    assert lab.tulle("port", "prepare", "farm", "worker", "--cancel").returncode == 0
    wait_until_one(lab)
    assert lab.bound() == "node2"


def test_counters_of_a_port_that_has_moved_ten_times_are_what_it_sent_and_got(lab: Migration) -> None:
    space = lab.workload("farm-worker")
    wait_until_one(lab)
    # Linux speaks by a new device before anybody listens there.
    for which in ("all", "default"):
        lab.run(space, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")
    with ExitStack() as stack:
        frames = Side(space, script=COUNT)
        stack.callback(frames.close)
        assert frames.read() == "ready"
        before = quiet(lab, frames)
        sides = [
            Side(space, "probe", WORKER, ORIGIN),
            Side(lab.workload("farm-origin"), "probe", ORIGIN, WORKER),
        ]
        for side in sides:
            stack.callback(side.close)
            assert side.read() == "ready"
            side.write("go")
        seen = [before[0]]
        for turn in range(10):
            move(lab, ("node3", "node1", "node2")[turn % 3])
            seen.append(lab.counted("port", "worker"))
        for side in sides:
            side.close()
        assert seen == sorted(seen), "never backwards"
        after = quiet(lab, frames)
        assert after[0] - before[0] == after[1] - before[1] > 1000, told(frames)
        lab.restart("node2/agent")
        lab.restart("node3/agent")
        lab.pings("farm-origin", WORKER)

        def both_go_on() -> bool:
            counted, sent = lab.counted("port", "worker"), int(told(frames).split()[0])
            return counted - before[0] == sent - before[1] > after[0] - before[0]

        # New agents take some time to begin.
        eventually(both_go_on, "the counters of the new agents")


def told(frames: Side) -> str:
    """What the workload has seen, for the report of a failed test."""
    frames.write("?")
    return frames.read()


def quiet(lab: Migration, frames: Side) -> tuple[int, int]:
    """What the port has counted and what the workload has, when no more comes."""

    def both() -> tuple[int, int]:
        frames.write("?")
        return lab.counted("port", "worker"), int(frames.read().split()[0])

    last: list[tuple[int, int]] = []

    def steady() -> bool:
        last.append(both())
        return len(last) > 25 and len(set(last[-25:])) == 1

    eventually(steady, "quiet")
    return last[-1]


@pytest.mark.slow
def test_a_move_whose_agents_die_ends_at_the_new_node(lab: Migration) -> None:
    for victims in (("node2", "node1"), ("node2",), ("node1",)):
        move(lab, "node2")
        lab.client.move_port("farm", "worker", "node1")
        for node in victims:
            lab.kill(f"{node}/agent")
        for node in reversed(victims):
            lab.restart(f"{node}/agent")
        eventually(lambda: lab.bound() == "node1", f"the move without {victims}")
        lab.wait_pings("farm-origin", WORKER)
        wait_until_one(lab)


@pytest.mark.slow
def test_a_port_does_not_wait_for_the_connections_of_a_dead_node(lab: Migration) -> None:
    move(lab, "node2")
    lab.kill("node2/agent")
    try:
        lab.client.move_port("farm", "worker", "node1")
        eventually(lambda: lab.bound() == "node1", "the new node to take the port")
        lab.wait_pings("farm-origin", WORKER)
    finally:
        lab.restart("node2/agent")
    wait_until_one(lab)
    move(lab, "node2")


def test_a_drained_node_keeps_no_port(lab: Migration) -> None:
    home = lab.bound()
    planned = lab.tulle("node", "drain", home, "--dry-run")
    assert planned.returncode == 0 and "dry run" in planned.stdout, planned
    assert lab.bound() == home
    done = lab.tulle("node", "drain", home)
    assert done.returncode == 0, (done, lab.state())
    assert home not in {one["bound"] for one in lab.client.ports("farm")}
    history = lab.json("network", "history", "farm")
    assert history[-1]["what"] == f"drain {home}", history[-1]
