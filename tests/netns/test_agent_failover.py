"""Two nodes with two endpoints each: when one wire is cut, traffic takes the other, and comes back."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_S, eventually
from test_agent_nodes import CONTROLLER, NETWORK, NODES, WORKLOADS, Site, answered, run, wire

SECOND = {"node1": "198.51.100.1", "node2": "198.51.100.2"}
PEERS = {"node1": "node2", "node2": "node1"}
HZ = 100
MOST_LOST = 130
"""Pings at 100 Hz: the detection time of 0.9 s, and what a busy machine adds."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    names = [CONTROLLER, *NODES.values(), *WORKLOADS.values()]
    site = Site(tmp_path_factory.mktemp("failover"), SECOND)
    try:
        for name in names:
            run("ip", "netns", "add", name)
        wire(NODES)
        second_wire()
        for name in ("controller", "vswitch-node1", "vswitch-node2", "agent-node1", "agent-node2"):
            site.start(name)
        eventually((site.directory / "ctl" / "api.sock").exists, site.logs)
        eventually(lambda: site.nodes() >= NODES.keys(), site.logs)
        apply_network(site, site.directory / "net.yaml")
        yield site
    finally:
        for name in list(site.processes):
            site.kill(name)
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def second_wire() -> None:
    """A cable of their own between the nodes."""
    peer = ["type", "veth", "peer", "name", "u1", "netns", NODES["node2"]]
    run("ip", "link", "add", "u1", "netns", NODES["node1"], *peer)
    for node, space in NODES.items():
        run("ip", "-n", space, "addr", "add", f"{SECOND[node]}/24", "dev", "u1")
        run("ip", "-n", space, "link", "set", "u1", "up")


def apply_network(site: Site, file: Path) -> None:
    text = NETWORK
    for name, space in WORKLOADS.items():
        text = text.replace(f"NS-{name}", space)
    file.write_text(text)
    site.tulle("apply", "-f", str(file), "--timeout", str(PATIENCE_S))


def column(site: Site, node: str, interface: str, name: str) -> str:
    database = f"--db=unix:{site.directory}/switch-{node}/db.sock"
    return run("ovs-vsctl", database, "--no-wait", "get", "Interface", interface, name)


def forwards(site: Site, node: str) -> tuple[bool, bool]:
    """Whether the first and the second tunnel to the other node work."""
    names = (f"stt-{PEERS[node]}", f"stt-{PEERS[node]}+2")
    first, second = ('forwarding="true"' in column(site, node, name, "bfd_status") for name in names)
    return first, second


def sent(site: Site, interface: str) -> int:
    """Packets that node1 has sent by a tunnel."""
    return int(column(site, "node1", interface, "statistics:tx_packets"))


def set_first_wire(state: str) -> None:
    run("ip", "-n", CONTROLLER, "link", "set", "to-node2", state)


def wait_until_both_forward(site: Site) -> None:
    eventually(lambda: all(forwards(site, node) == (True, True) for node in NODES), site.logs)


def test_a_cut_wire_costs_about_a_second_of_pings_and_its_return_none(site: Site) -> None:
    wait_until_both_forward(site)
    eventually(lambda: site.pings(1, "10.0.1.11") == 1, site.logs)
    assert site.pings(50, "10.0.1.11") == 50, site.logs()
    ping = site.ping(5 * HZ, "10.0.1.11")
    time.sleep(0.5)
    set_first_wire("down")
    received = answered(ping)
    assert received >= 5 * HZ - MOST_LOST, f"{5 * HZ - received} pings lost"
    assert forwards(site, "node1") == (False, True)
    ping = site.ping(5 * HZ, "10.0.2.12")
    set_first_wire("up")
    wait_until_both_forward(site)
    assert answered(ping) == 5 * HZ, "coming back loses nothing"
    before = sent(site, "stt-node2")
    assert site.pings(HZ, "10.0.1.11") == HZ
    eventually(lambda: sent(site, "stt-node2") >= before + HZ, lambda: "pings by the first tunnel")


def tunnels_there(site: Site, node: str) -> set[str]:
    """The tunnel ports of a node."""
    database = f"--db=unix:{site.directory}/switch-{node}/db.sock"
    ports = run("ovs-vsctl", database, "--no-wait", "list-ports", "br-int").split()
    return {name for name in ports if PEERS[node] in name}


@pytest.mark.slow
def test_another_encapsulation_loses_nothing_and_has_both_endpoints(site: Site) -> None:
    """What is new has to be heard at both ends before anything is sent by it."""
    wait_until_both_forward(site)
    for encapsulation in ("vxlan", "stt"):
        ping = site.ping(6 * HZ, "10.0.1.11")
        site.tulle("network", "set", "red", "--encapsulations", encapsulation)
        assert answered(ping) == 6 * HZ
        names = {
            node: {f"{encapsulation}-{peer}", f"{encapsulation}-{peer}+2"} for node, peer in PEERS.items()
        }
        assert all(tunnels_there(site, node) >= names[node] for node in PEERS), site.logs()
        before = sent(site, f"{encapsulation}-node2")
        assert site.pings(HZ, "10.0.1.11") == HZ
        eventually(
            lambda name=f"{encapsulation}-node2", least=before + HZ: sent(site, name) >= least, site.logs
        )
        watched = [column(site, node, name, "bfd_status") for node in PEERS for name in sorted(names[node])]
        assert all('forwarding="true"' in one for one in watched), watched


def test_the_endpoints_are_shown(site: Site) -> None:
    found = {one["name"]: one for one in json.loads(site.tulle("node", "list", "-o", "json"))}
    assert {name: found[name]["second_address"] for name in SECOND} == SECOND
    assert SECOND["node1"] in site.tulle("node", "list")


def restart_agent(site: Site, node: str, second: str) -> None:
    """With this second endpoint, or with none."""
    if f"agent-{node}" in site.processes:
        site.kill(f"agent-{node}")
    site.second = {**site.second, node: second}
    site.start(f"agent-{node}")


def is_watched(site: Site, node: str) -> bool:
    return "enable" in column(site, node, f"stt-{PEERS[node]}", "bfd")


@pytest.mark.slow
def test_a_second_endpoint_comes_and_goes_under_traffic_while_the_other_node_has_no_agent(site: Site) -> None:
    wait_until_both_forward(site)
    site.kill("agent-node2")
    ping = site.ping(4 * HZ, "10.0.1.11")
    restart_agent(site, "node1", "")
    eventually(lambda: forwards(site, "node2") == (True, False), site.logs)
    assert answered(ping) == 4 * HZ, site.logs()
    assert is_watched(site, "node1"), "node2 listens still"
    restart_agent(site, "node2", SECOND["node2"])
    eventually(lambda: tunnels_there(site, "node2") == {"stt-node1"}, site.logs)
    eventually(lambda: not any(is_watched(site, node) for node in NODES), site.logs)
    site.kill("agent-node2")
    ping = site.ping(3 * HZ, "10.0.1.11")
    restart_agent(site, "node1", SECOND["node1"])
    eventually(lambda: is_watched(site, "node1"), site.logs)
    assert answered(ping) == 3 * HZ, site.logs()
    assert forwards(site, "node1") == (False, False), "nobody speaks at node2"
