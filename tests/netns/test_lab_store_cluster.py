"""A lab whose databases are on a Raft cluster: any process of the management plane may die."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually

from tulle.errors import TulleError
from tulle.lab import lifecycle, processes

LIMIT_S = 60.0


@pytest.fixture
def cluster_lab(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, "c")
    try:
        lifecycle.up(bench.path, store_cluster=3)
        yield bench
    finally:
        bench.down()


def active(bench: Bench) -> str:
    """The controller that became active last."""
    both = [bench.lab.process(role) for role in bench.lab.controller_roles]
    running = [process for process in both if processes.alive(process)]
    return next(one.role for one in running if "controller ready" in Path(one.log).read_text())


def leader(bench: Bench, database: str) -> str:
    for role in bench.lab.store_roles:
        control = bench.lab.directory / role / "ctl"
        words = ["ovs-appctl", "-t", str(control), "cluster/status", database]
        if "Role: leader" in subprocess.run(words, capture_output=True, text=True, check=False).stdout:
            return role
    raise AssertionError(f"no server leads for {database}")


def moved(bench: Bench, node: str) -> None:
    """A change that every node applies, whoever is active by now."""

    def attempt() -> bool:
        try:
            with lifecycle.client(bench.lab) as tulle:
                tulle.move_port("red", "web1", node, wait=True, timeout_s=LIMIT_S)
        except TulleError:
            return False
        return True

    eventually(attempt, f"red/web1 to move to {node}")


def test_controller_and_leader_may_die_and_changes_still_reach_every_node(cluster_lab: Bench) -> None:
    cluster_lab.wait_pings("red-web1", "10.0.1.12")
    first = active(cluster_lab)
    cluster_lab.kill(first)
    moved(cluster_lab, "node3")
    cluster_lab.wait_pings("red-web1", "10.0.1.12")
    assert active(cluster_lab) != first
    cluster_lab.restart(first)
    victim = leader(cluster_lab, "Tulle")
    cluster_lab.kill(victim)
    moved(cluster_lab, "node1")
    cluster_lab.wait_pings("red-web1", "10.0.1.12")
    cluster_lab.restart(victim)
    moved(cluster_lab, "node2")
    cluster_lab.wait_pings("red-web1", "10.0.1.12")
