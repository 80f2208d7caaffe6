"""The two-tenant lab with Debian's Open vSwitch on one node, driven by the same agent as ours on the others."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from lab_bench import Bench
from patience import eventually

from tulle.errors import InvalidInput
from tulle.lab import lifecycle, state
from tulle.lab.measure import Probe, reachable

DEBIAN = "node1"
METADATA = re.compile(r"[,= ]metadata=(0x[0-9a-f]+)")
ADDRESSES = {
    "web1": "10.0.1.11",
    "web2": "10.0.1.12",
    "web3": "10.0.1.13",
    "db1": "10.0.2.11",
    "db2": "10.0.2.12",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("lab"), "d")
    try:
        lifecycle.up(bench.path, debian_switches=[DEBIAN])
        yield bench
    finally:
        bench.down()


def probes(lab: Bench) -> list[Probe]:
    """Every ordered pair of workloads of each tenant, by IPv4."""
    return [
        Probe(lab.workload(f"{network}-{source}"), ADDRESSES[target])
        for network in ("red", "blue")
        for source, target in permutations(ADDRESSES, 2)
    ]


def unreached(lab: Bench) -> list[Probe]:
    return [probe for probe, answered in reachable(probes(lab), at_once=4).items() if not answered]


def test_the_switch_is_debians(lab: Bench) -> None:
    command = ["ovs-appctl", "-t", f"{lab.directory(DEBIAN)}/vswitchd.ctl", "version"]
    assert "ovs-vswitchd (Open vSwitch)" in subprocess.run(command, capture_output=True, text=True).stdout


def test_encapsulations_follow_from_what_the_switches_report(lab: Bench) -> None:
    """The file lets node1 speak STT too; its switch cannot, and the agent says so."""
    spoken = {node["name"]: node["encapsulations"] for node in lab.json("node", "list")}
    assert "stt" not in spoken[DEBIAN] and "vxlan" in spoken[DEBIAN], spoken
    assert "stt" in spoken["node2"], spoken
    types = lab.run(lab.node(DEBIAN), *_vsctl(lab, "--columns=type", "--bare", "list", "Interface")).split()
    assert types.count("vxlan") >= 2 and "stt" not in types, types


def test_all_pings_are_answered(lab: Bench) -> None:
    eventually(lambda: not unreached(lab), "all pings")


def test_tenants_stay_apart(lab: Bench) -> None:
    """Both tenants use the same addresses, so a ping reaches the own tenant's workload, or none."""
    dump = ["timeout", "6", "tcpdump", "-nli", "eth0", "-c", "1", "icmp[icmptype] == icmp-echo"]
    watch = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{lab.workload('blue-web2')}", *dump],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stderr is not None
    eventually(lambda: "listening" in watch.stderr.readline(), "tcpdump")
    lab.wait_pings("red-web1", ADDRESSES["web2"])
    assert watch.communicate()[0].strip() == ""


def test_an_acl_drops_and_is_counted(lab: Bench) -> None:
    command = ["timeout", "2", "bash", "-c", f"echo > /dev/tcp/{ADDRESSES['db1']}/22"]
    lab_run = lambda: subprocess.run(  # noqa: E731
        ["nsenter", f"--net=/run/netns/{lab.workload('red-web3')}", *command], capture_output=True, text=True
    )
    assert lab_run().returncode == 124
    counted = lambda: any(one["reason"] == "acl" for one in lab.json("drops"))  # noqa: E731
    eventually(counted, "the drop in `tulle drops`")


def test_a_network_is_rolled_back_as_one_over_both_switches(lab: Bench) -> None:
    """Between them VXLAN carries no version, so what comes from a tunnel is put into one where it arrives."""
    red = lab.client.network("red")
    red.snapshot("whole")
    with red.change("without a rule") as change:
        change.remove("acl", "no-ssh-to-db")
    red.rollback("whole", wait=True)
    assert unreached(lab) == []
    for node in (DEBIAN, "node2", "node3"):
        found = {int(one, 16) >> 24 for rule in lab.rules(node) for one in METADATA.findall(rule)}
        assert found == {0, 1}, (node, found)  # blue is in its first version still


def test_flows_are_not_written_again_by_a_new_agent(lab: Bench) -> None:
    eventually(lambda: not unreached(lab), "all pings")
    before = lab.rules(DEBIAN)
    lab.kill(f"{DEBIAN}/agent")
    lab.wait_pings("red-web1", ADDRESSES["web2"])
    lab.restart(f"{DEBIAN}/agent")
    lab.wait_pings("red-web1", ADDRESSES["web2"])
    assert lab.rules(DEBIAN) == before


def test_the_controller_may_choose_geneve_between_debians_switch_and_ours(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "g")
    text = bench.text.replace("encapsulations: [stt, vxlan]", "encapsulations: [stt, geneve, vxlan]")
    bench.path.write_text(
        text.replace("node3, encapsulations: [vxlan]", "node3, encapsulations: [geneve, vxlan]")
    )
    try:
        lifecycle.up(bench.path, debian_switches=[DEBIAN])
        eventually(lambda: not unreached(bench), "all pings through Geneve")
        shown = f"--db=unix:{bench.directory(DEBIAN)}/db.sock"
        command = ["ovs-vsctl", shown, "--columns=type", "--bare", "list", "Interface"]
        types = bench.run(bench.node(DEBIAN), *command).split()
        assert types.count("geneve") == 2, types
    finally:
        bench.down()


def test_only_nodes_of_the_lab_can_have_another_switch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "n")
    with pytest.raises(InvalidInput, match="no node pear"):
        lifecycle.up(bench.path, debian_switches=["pear"])
    assert bench.name not in state.names()


def _vsctl(lab: Bench, *words: str) -> list[str]:
    return ["ovs-vsctl", f"--db=unix:{lab.directory(DEBIAN)}/db.sock", *words]
