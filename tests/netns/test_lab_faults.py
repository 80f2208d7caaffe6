"""Processes of a running lab are killed: traffic goes on, nothing acknowledged is lost, nothing is left over."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually
from pyroute2 import netns

from tulle.lab import processes, state
from tulle.lab.measure import Probe, RunningPing


def durations(lab: Bench, node: str) -> dict[str, float]:
    """The age in seconds of each flow."""
    ages = {}
    for flow in lab.flows(node):
        rule = re.sub(r"(duration|n_packets|n_bytes)=[^,]*, ?", "", flow)
        found = re.search(r"duration=([\d.]+)s", flow)
        assert found, flow
        ages[rule] = float(found[1])
    return ages


@pytest.mark.parametrize("role", ["controller", "node1/agent", "node2/agent", "node3/agent"])
def test_killing_a_process_of_the_control_plane_interrupts_no_ping(lab: Bench, role: str) -> None:
    near, far = Probe(lab.workload("red-web1"), "10.0.1.12"), Probe(lab.workload("red-web1"), "10.0.1.13")
    with RunningPing(near) as first, RunningPing(far) as second:
        lab.kill(role)
        for target in ("10.0.2.12", "fd00:1::12", "fd00:1::13"):
            assert lab.pings("red-web1", target), (role, target)
        lab.restart(role)
        eventually(lambda: not lab.dead(), "all processes")
        assert lab.pings("red-web1", "10.0.2.12", 5)
        results = first.stop(), second.stop()
    assert all(result.sent > 20 and result.lost == 0 for result in results), (role, results)


def test_what_the_controller_acknowledged_survives_its_death(lab: Bench) -> None:
    extra = lab.path.with_name("extra.yaml")
    extra.write_text("networks:\n  - name: extra\n    switches: [{name: one, subnets: [10.9.0.0/24]}]\n")
    assert lab.tulle("apply", "-f", str(extra)).returncode == 0
    assert lab.tulle("network", "snapshot", "red", "kept").returncode == 0
    lab.kill("controller")
    lab.restart("controller")
    eventually(lambda: lab.tulle("node", "list").returncode == 0, "the controller")
    assert "extra" in {network["name"] for network in lab.client.networks()}
    assert "kept" in {snapshot["name"] for snapshot in lab.client.snapshots("red")}
    lab.client.delete_network("extra", wait=True)


def test_a_restarted_agent_leaves_every_flow_in_place(lab: Bench) -> None:
    before = durations(lab, "node1")
    assert before
    lab.kill("node1/agent")
    lab.restart("node1/agent")
    extra = lab.path.with_name("again.yaml")
    extra.write_text("networks:\n  - name: again\n    switches: [{name: one, subnets: [10.9.0.0/24]}]\n")
    assert lab.tulle("apply", "-f", str(extra), "--wait").returncode == 0
    after = durations(lab, "node1")
    assert before.keys() == after.keys(), before.keys() ^ after.keys()
    younger = [rule for rule in before if after[rule] < before[rule]]
    assert not younger, younger
    lab.client.delete_network("again", wait=True)


def test_a_switch_that_comes_back_is_provisioned_again_and_the_others_notice_nothing(lab: Bench) -> None:
    with RunningPing(Probe(lab.workload("red-web1"), "10.0.1.13")) as bystander:
        lab.kill("node2/vswitch")
        # Its last process ends when it sees that the first has.
        eventually(lambda: not lab.pings("red-web1", "10.0.1.12", 1), "the end of forwarding")
        lab.restart("node2/vswitch")
        for source, target in (
            ("red-web1", "10.0.1.12"),
            ("red-web3", "fd00:1::12"),
            ("blue-db1", "10.0.2.12"),
        ):
            lab.wait_pings(source, target)
        result = bystander.stop()
    assert result.sent > 20 and result.lost == 0, result


def strays(lab: Bench) -> list[int]:
    """Processes whose command line names a directory of the lab, recorded by it or not."""
    mark = f"/run/tulle/labs/{lab.name}/".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def left_over(lab: Bench, pids: list[int]) -> list[str]:
    spaces = [name for name in netns.listnetns() if name.startswith(lab.name)]
    alive = [str(pid) for pid in pids if processes.started_ticks(pid) is not None]
    files = [str(path) for path in Path("/run/tulle/labs").glob(f"{lab.name}*")]
    return spaces + alive + files + [f"stray {pid}" for pid in strays(lab)]


LATER = [pytest.param(role, marks=pytest.mark.slow) for role in ("controller", "node2/agent")]


@pytest.mark.parametrize("role", [None, "node3/vswitch", *LATER])
def test_down_leaves_nothing_whatever_was_killed(tmp_path: Path, role: str | None) -> None:
    lab = Bench(tmp_path, "d")
    try:
        lab.up()
        pids = [process.pid for process in lab.lab.processes]
        if role is not None:
            lab.kill(role)
        done = lab.tulle_lab_down()
        assert done.returncode == 0, done
        assert left_over(lab, pids) == []
    finally:
        lab.down()


def test_down_by_name_cleans_up_after_up_was_killed_half_way(tmp_path: Path) -> None:
    lab = Bench(tmp_path, "h")
    command = [sys.executable, "-m", "tulle.cli", "lab", "up", str(lab.path)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: lab.name in state.names() and len(lab.lab.processes) >= 3, "half a lab")
        os.kill(child.pid, signal.SIGKILL)
        child.wait(60)
        pids = [process.pid for process in lab.lab.processes]
        done = lab.tulle_lab_down()
        assert done.returncode == 0, done
        assert left_over(lab, pids) == []
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        lab.down()
        for pid in strays(lab):
            os.kill(pid, signal.SIGKILL)
