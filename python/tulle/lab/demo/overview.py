"""The networks, the nodes and the tunnels, with the encapsulation that the controller chose."""

from __future__ import annotations

from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene

EXPECTED = {("node1", "node2"): "stt", ("node1", "node3"): "vxlan", ("node2", "node3"): "vxlan"}


def show(scene: Scene, report: Report) -> None:
    """Prints the three tables and checks the choice of encapsulations."""
    _networks(scene, report)
    report.title("Nodes")
    rows = [(n["name"], n["address"], ", ".join(n["encapsulations"])) for n in scene.client.nodes()]
    report.table(["node", "endpoint", "speaks, best first"], rows)
    _tunnels(scene, report)


def _networks(scene: Scene, report: Report) -> None:
    report.title("Networks")
    rows = []
    for network in scene.networks:
        for switch in network.switches:
            ports = [f"{p.name}@{p.node}" for p in network.ports if p.switch == switch.name]
            rows.append((network.name, switch.name, ", ".join(switch.subnets), ", ".join(ports)))
    report.table(["network", "switch", "subnets", "ports"], rows)
    macs = [{port.mac for port in network.ports} for network in scene.networks]
    report.check("both tenants use the same MAC addresses", all(m == macs[0] for m in macs))


def _tunnels(scene: Scene, report: Report) -> None:
    report.title("Tunnels")
    tunnels = {(t["local"], t["remote"]): t["encapsulation"] for t in scene.client.tunnels()}
    report.table(["between", "and", "encapsulation"], [(a, b, e) for (a, b), e in sorted(tunnels.items())])
    for pair, encapsulation in EXPECTED.items():
        chosen = tunnels.get(pair, "none")
        report.check(f"{pair[0]} and {pair[1]} talk {encapsulation}", chosen == encapsulation, chosen)
