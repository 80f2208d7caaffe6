"""The example of a service chain, with a real firewall and real packets; the same checks as `make demo-chain`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_bench import Bench
from rich.console import Console

from tulle.lab import lifecycle, service_chain
from tulle.lab.demo.report import Report
from tulle.lab.measure import Probe, RunningPing, frames_captured
from tulle.lab.service_chain import NETWORK, Stage
from tulle.lab.waiting import wait_until

KEY = 0x7B0F77
IPV4 = b"\x08\x00"


class Chained(Bench):
    """The example with workload namespaces of its own."""

    def __init__(self, directory: Path, short: str = "chain") -> None:
        super().__init__(directory, short)
        self.text = re.sub(
            "namespace: (?=chain)", f"namespace: {self.name}-", service_chain.EXAMPLE.read_text()
        )
        self.path.write_text(self.text)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    bench = Chained(tmp_path_factory.mktemp("lab"))
    try:
        bench.up()
        service_chain.build_firewall(Stage(bench.lab, bench.client, Report(Console())))
        yield bench
    finally:
        bench.down()


@pytest.mark.parametrize("step", service_chain.STEPS, ids=[step.__name__ for step in service_chain.STEPS])
def test_the_example_does_what_it_says(lab: Chained, step: service_chain.Step) -> None:
    report = Report(Console())
    with lab.client as client:
        stage = Stage(lab.lab, client, report)
        stage.wait_for_appliance("up")
        step(stage)
    assert report.checks and report.failures == []


@pytest.mark.parametrize(("encapsulation", "protocol"), [("gre", 47), ("geneve", 17)])
def test_a_collector_outside_gets_copies_with_the_mirrors_key(
    lab: Chained, encapsulation: str, protocol: int
) -> None:
    with lab.client.network(NETWORK).change(wait=True) as draft:
        place = {"port": "web1", "direction": "to-port"}
        remote = {"remote": lab.lab.layout.controller.address, "encapsulation": encapsulation, "key": KEY}
        draft.mirror("far", **place, **remote)
    found: list[bytes] = []

    def copied() -> bool:
        with frames_captured([(lab.node("controller"), "eth0")]) as frames:
            lab.pings("chain-client", service_chain.WEB, 1)
        found.extend(frame for _, frame in frames if frame[12:14] == IPV4 and frame[23] == protocol)
        return bool(found)

    wait_until(copied, what="a copy at the collector", limit_s=60)
    inner = bytes(map(int, service_chain.WEB.split(".")))
    assert all(KEY.to_bytes(3, "big") in frame and inner in frame for frame in found), found
    with lab.client.network(NETWORK).change(wait=True) as draft:
        draft.remove("mirror", "far")


def test_the_command_line_shows_the_chain_and_its_appliances(lab: Chained) -> None:
    (chain,) = lab.json("chain", "show", NETWORK, "guard")
    (appliance,) = chain["appliances"]
    assert (chain["state"], appliance["state"], appliance["node"]) == ("in the path", "up", "node2"), chain
    done = lab.tulle("chain", "remove", NETWORK, "guard")
    assert done.returncode == 0 and "took guard out of the path" in done.stdout, done
    assert lab.json("chain", "list", NETWORK)[0]["state"] == "idle"
    assert "watch-web1" in lab.tulle("mirror", "list", NETWORK).stdout
    assert lab.tulle("chain", "insert", NETWORK, "nothing").returncode == 1


def attached(log: Path) -> int:
    """How often an agent has said that it plugged in a port."""
    return len(re.findall("attached .*device=", re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())))


def test_packets_pass_the_firewall_while_its_agent_is_away_and_when_a_new_one_comes(lab: Chained) -> None:
    with lab.client as client:
        stage = Stage(lab.lab, client, Report(Console()))
        stage.change_chain(idle=False)
        before, seen = lab.rules(DEBIAN), stage.passed("pings")
        with RunningPing(Probe(lab.workload("chain-client"), service_chain.WEB)) as running:
            log = Path(lab.lab.process("node2/agent").log)
            plugged = attached(log)
            lab.kill("node2/agent")
            assert lab.pings("chain-client", service_chain.WEB)
            lab.restart("node2/agent")
            wait_until(lambda: attached(log) >= plugged + 3, what="the new agent's ports", limit_s=60)
            wait_until(lambda: lab.rules(DEBIAN) == before, what="the flows that there were", limit_s=60)
            stage.wait_for_appliance("up")
            lost = running.stop()
        assert lost.sent > 10 and lost.lost == 0, lost
        assert stage.passed("pings") >= seen + 2 * lost.sent - 2


DEBIAN = "node2"
"""Where the firewall is."""


@pytest.mark.slow
def test_debians_switch_takes_packets_to_an_appliance_and_back(tmp_path: Path) -> None:
    """All but the traffic at a high rate, which a switch in user space without TSO does not keep up with."""
    bench, report = Chained(tmp_path, "chaind"), Report(Console())
    own = "{name: node2, encapsulations: [stt, geneve]}"
    assert own in bench.text
    bench.path.write_text(bench.text.replace(own, own.replace("stt", "vxlan")))
    try:
        lifecycle.up(bench.path, debian_switches=[DEBIAN])
        with bench.client as client:
            stage = Stage(bench.lab, client, report)
            service_chain.build_firewall(stage)
            stage.wait_for_appliance("up")
            stage.change_chain(idle=False)
            bench.wait_pings("chain-client", service_chain.WEB)
            for _ in range(service_chain.MANY // 2):
                bench.pings("chain-client", service_chain.WEB, 1)
            for step in (service_chain.both_ways, service_chain.copies, service_chain.failing):
                step(stage)
        assert report.checks and report.failures == []
    finally:
        bench.down()
