"""Two whole nodes and a controller: real pings while processes die and ports move."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from patience import PATIENCE_S, eventually

from tulle.api import connect
from tulle.values import pipeline

ID = os.getpid()
CONTROLLER, NODES = f"tulle-ac-{ID}", {"node1": f"tulle-a1-{ID}", "node2": f"tulle-a2-{ID}"}
ADDRESSES = {"node1": "192.0.2.1", "node2": "192.0.2.2"}
WORKLOADS = {name: f"tulle-w{name}-{ID}" for name in ("a", "b", "c")}
REMOTE = "192.0.2.254"
TULLE = [sys.executable, "-m", "tulle.cli"]
NETWORK = """
networks:
  - name: red
    switches: [{name: web, subnets: [10.0.1.0/24]}, {name: db, subnets: [10.0.2.0/24]}]
    routers:
      - name: core
        ports:
          - {name: web, switch: web, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24]}
          - {name: db, switch: db, mac: "02:00:00:00:02:01", addresses: [10.0.2.1/24]}
    ports:
      - {name: a, switch: web, node: node1, mac: "02:00:00:00:01:0a", addresses: [10.0.1.10], namespace: NS-a}
      - {name: b, switch: web, node: node2, mac: "02:00:00:00:01:0b", addresses: [10.0.1.11], namespace: NS-b}
      - {name: c, switch: db, node: node2, mac: "02:00:00:00:02:0c", addresses: [10.0.2.12], namespace: NS-c}
    acls: [{name: no-ssh, direction: to-port, switch: db, priority: 9, match: "tcp,dport=22", action: drop}]
"""
TWIN = """
networks:
  - name: twin
    switches: [{name: lan, subnets: [10.7.0.0/24]}]
    ports: [{name: a, switch: lan, node: node1, namespace: NS-a, interface: twin}]
"""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Site:
    """Three namespaces on one underlay bridge, and the processes in them."""

    def __init__(self, directory: Path, second: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.second = second or {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        kind, _, node = name.partition("-")
        directory = self.directory / f"switch-{node}"
        words = {
            "controller": ["--directory", str(self.directory / "ctl"), "--remote", f"ptcp:6640:{REMOTE}"],
            "vswitch": ["--directory", str(directory), "--name", node],
            "agent": [
                *("--name", node, "--address", ADDRESSES.get(node, "")),
                *("--second-address", self.second.get(node, "")),
                *("--controller", f"tcp:{REMOTE}:6640", "--switch", str(directory)),
            ],
        }[kind]
        space = NODES.get(node, CONTROLLER)
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["ip", "netns", "exec", space, *TULLE, kind, *words], stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait(PATIENCE_S)

    def tulle(self, *words: str) -> str:
        environment = {**os.environ, "TULLE_API": str(self.directory / "ctl" / "api.sock")}
        limit_s = 2 * PATIENCE_S
        done = subprocess.run(
            [*TULLE, *words], capture_output=True, text=True, timeout=limit_s, env=environment
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr, self.logs())
        return done.stdout

    def nodes(self) -> set[str]:
        """The nodes whose agents have registered."""
        return {one["name"] for one in connect(self.directory / "ctl" / "api.sock").nodes()}

    def logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.directory.glob("*.log"))
        )

    def flows(self, node: str) -> set[str]:
        target = f"unix:{self.directory}/switch-{node}/br-int.mgmt"
        text = run("ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", target)
        return set(text.splitlines())

    def pings(self, count: int, address: str, workload: str = "a") -> int:
        """How many of `count` pings at 100 Hz were answered."""
        return answered(self.ping(count, address, workload))

    def ping(self, count: int, address: str, workload: str = "a") -> subprocess.Popen[str]:
        command = ["ip", "netns", "exec", WORKLOADS[workload], "ping", "-W", "1", "-i", "0.01"]
        return subprocess.Popen(
            [*command, "-c", str(count), address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


def answered(ping: subprocess.Popen[str]) -> int:
    out, _ = ping.communicate(timeout=PATIENCE_S)
    found = re.search(r"(\d+) received", out)
    assert found is not None, out
    return int(found[1])


def wire(spaces: dict[str, str]) -> None:
    """Join the controller and the nodes by a bridge in the controller's namespace."""
    run("ip", "-n", CONTROLLER, "link", "add", "br0", "type", "bridge")
    run("ip", "-n", CONTROLLER, "addr", "add", f"{REMOTE}/24", "dev", "br0")
    run("ip", "-n", CONTROLLER, "link", "set", "br0", "up")
    for node, space in spaces.items():
        veth = ["type", "veth", "peer", "name", f"to-{node}", "netns", CONTROLLER]
        run("ip", "link", "add", "u0", "netns", space, *veth)
        run("ip", "-n", CONTROLLER, "link", "set", f"to-{node}", "master", "br0", "up")
        run("ip", "-n", space, "addr", "add", f"{ADDRESSES[node]}/24", "dev", "u0")
        run("ip", "-n", space, "link", "set", "u0", "up")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    names = [CONTROLLER, *NODES.values(), *WORKLOADS.values()]
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        for name in names:
            run("ip", "netns", "add", name)
        wire(NODES)
        for name in ("controller", "vswitch-node1", "vswitch-node2", "agent-node1", "agent-node2"):
            site.start(name)
        eventually((site.directory / "ctl" / "api.sock").exists, site.logs)
        eventually(lambda: site.nodes() >= NODES.keys(), site.logs)
        text = NETWORK
        for name, space in WORKLOADS.items():
            text = text.replace(f"NS-{name}", space)
        (site.directory / "net.yaml").write_text(text)
        site.tulle("apply", "-f", str(site.directory / "net.yaml"), "--timeout", str(PATIENCE_S))
        yield site
    finally:
        for name in list(site.processes):
            site.kill(name)
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_ports_reach_each_other_on_their_switch_and_through_the_router(site: Site) -> None:
    for address in ("10.0.1.11", "10.0.2.12", "10.0.1.1"):
        eventually(lambda address=address: site.pings(1, address) == 1, site.logs)
        assert site.pings(20, address) == 20, site.logs()


@pytest.mark.usefixtures("site")
def test_the_router_answers_where_a_packet_ends() -> None:
    command = ["ip", "netns", "exec", WORKLOADS["a"], "ping", "-c", "1", "-W", "10"]
    expired = subprocess.run([*command, "-t", "1", "10.0.2.12"], capture_output=True, text=True, timeout=60)
    assert "From 10.0.1.1" in expired.stdout and "Time to live exceeded" in expired.stdout, expired.stdout
    absent = subprocess.run([*command, "10.0.2.99"], capture_output=True, text=True, timeout=60)
    assert "From 10.0.1.1" in absent.stdout and "Destination Host Unreachable" in absent.stdout, absent.stdout


def test_what_an_acl_drops_is_counted_under_its_name(site: Site) -> None:
    command = ["ip", "netns", "exec", WORKLOADS["a"], sys.executable, "-c"]
    code = "import socket; s = socket.socket(); s.settimeout(0.3); s.connect_ex(('10.0.2.12', 22))"
    run(*command, code)

    def counted() -> bool:
        drops = json.loads(site.tulle("drops", "-o", "json"))
        places = {(one["reason"], one["object"], one["table"]) for one in drops}
        return ("acl", "red/no-ssh", pipeline.TO_PORT_ACL) in places

    eventually(counted, lambda: site.tulle("drops", "-o", "json"))


def limit_flows(site: Site, table: int, most: int | None) -> None:
    """How many flows the switch of node1 takes in a table; it refuses what is more."""
    words = ["clear", "Bridge", "br-int", "flow_tables"]
    if most is not None:
        made = ["--id=@t", "create", "Flow_Table", f"flow_limit={most}"]
        words = [*made, "--", "set", "Bridge", "br-int", f"flow_tables:{table}=@t"]
    run("ovs-vsctl", f"--db=unix:{site.directory}/switch-node1/db.sock", "--timeout=60", "--", *words)


def test_a_network_that_a_switch_refuses_is_named_and_the_others_go_on(site: Site) -> None:
    tulle = connect(site.directory / "ctl" / "api.sock")
    text = (site.directory / "net.yaml").read_text()
    second = TWIN.replace("NS-a", WORKLOADS["a"])
    table = f"table={pipeline.DELIVER},"
    limit_flows(site, pipeline.DELIVER, sum(table in flow for flow in site.flows("node1")))
    tulle.apply(second, "twin.yaml")

    def told() -> list[str]:
        found = tulle.get("/v1/doctor")["findings"]
        return [one["about"] for one in found if "refused what network twin should have" in one["says"]]

    eventually(told, site.logs)
    assert told() == ["node node1"]
    [node] = [one for one in tulle.nodes() if one["name"] == "node1"]
    assert list(node["refused"]) == ["twin"] and "TableFull" in node["refused"]["twin"]
    tulle.apply(text.replace("no-ssh", "no-telnet"), "net.yaml", wait=True)
    tulle.apply(text, "net.yaml", wait=True)
    assert site.pings(10, "10.0.1.11") == 10
    limit_flows(site, pipeline.DELIVER, None)
    tulle.apply(second.replace("10.7.0.0", "10.7.1.0"), "twin.yaml", wait=True)
    tulle.delete_network("twin", wait=True)


def test_a_moved_port_loses_no_ping(site: Site) -> None:
    for node in ("node1", "node2"):
        ping = site.ping(300, "10.0.1.11", "c")
        site.tulle("port", "move", "red", "b", node)
        received = answered(ping)
        assert received == 300, (node, received, site.logs())


def test_pings_and_flows_survive_the_agent_and_the_controller(site: Site) -> None:
    before = site.flows("node1")
    ping = site.ping(400, "10.0.1.11")
    site.kill("agent-node1")
    site.kill("controller")
    site.start("agent-node1")
    site.start("controller")
    assert answered(ping) == 400, site.logs()
    eventually(lambda: site.nodes() >= NODES.keys(), site.logs)
    site.tulle("apply", "-f", str(site.directory / "net.yaml"), "--wait")
    assert site.flows("node1") == before


def test_a_switch_that_dies_is_provisioned_again(site: Site) -> None:
    before = site.flows("node2")
    site.kill("vswitch-node2")
    site.start("vswitch-node2")
    eventually(lambda: site.pings(1, "10.0.1.11") == 1, site.logs)
    eventually(lambda: site.pings(1, "10.0.2.12") == 1, site.logs)
    eventually(lambda: site.flows("node2") == before, site.logs)


def test_a_deleted_network_leaves_no_flow_and_no_interface(site: Site) -> None:
    site.tulle("network", "delete", "red", "--wait")
    database = f"--db=unix:{site.directory}/switch-node1/db.sock"
    names = lambda: run("ovs-vsctl", database, "list-ports", "br-int").split()  # noqa: E731
    eventually(lambda: names() == [], lambda: f"no interface, got {names()}\n{site.logs()}")
    eventually(lambda: not any("red" in flow or "in_port" in flow for flow in site.flows("node1")), site.logs)
