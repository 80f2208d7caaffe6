"""A lab whose agents come by TLS: their certificates let them do all that they have to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually

from tulle.errors import InvalidInput
from tulle.lab import lifecycle, state


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, "s")
    try:
        lifecycle.up(bench.path, tls=True)
        yield bench
    finally:
        bench.down()


def test_agents_with_certificates_bind_move_count_and_trace(lab: Bench) -> None:
    command = f"echo | openssl s_client -connect {lab.lab.layout.controller.address}:6640"
    shown = subprocess.run(
        ["ip", "netns", "exec", lab.node("node1"), "sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout
    assert "subject=CN = controller" in shown, shown
    lab.wait_pings("red-web1", "10.0.1.12")
    with lab.client as tulle:
        tulle.move_port("red", "web1", "node3", wait=True, timeout_s=30.0)
    lab.wait_pings("red-web1", "10.0.1.12")
    assert {one["bound"] for one in lab.json("port", "list") if one["name"] == "web1"} >= {"node3"}
    traced = lab.tulle("trace", "red", "web1", "tcp,dst=10.0.2.12,dport=80")
    assert traced.returncode == 0, traced
    counted = lambda: any(one["packets"] for one in lab.json("counters"))  # noqa: E731
    eventually(counted, "counters")
    logs = {host.name: (lab.directory(host.name) / "agent.log").read_text() for host in lab.lab.layout.nodes}
    assert not [name for name, log in logs.items() if "permission error" in log], logs


def test_a_lab_has_not_both_a_store_cluster_and_tls(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "b")
    with pytest.raises(InvalidInput, match="not both"):
        lifecycle.up(bench.path, tls=True, store_cluster=3)
    assert bench.name not in state.names()
