"""TCP throughput by iperf3 over each encapsulation.  A figure to look at; `make bench` is for comparing."""

from __future__ import annotations

from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene, address, namespace
from tulle.lab.measure import throughput_bits_s

PATHS = (("stt", "node1", "node2"), ("vxlan", "node1", "node3"))


def show(scene: Scene, report: Report) -> None:
    """One TCP flow over each kind of tunnel."""
    report.title("TCP throughput, one flow, between two workloads of red")
    rows = []
    for encapsulation, near, far in PATHS:
        client, server = scene.pair("red", near, far)
        with report.progress(f"iperf3 over {encapsulation}"):
            rate = throughput_bits_s(namespace(client), namespace(server), address(server, 4), seconds=2)
        rows.append(
            (encapsulation, f"{client.name}@{near}", f"{server.name}@{far}", f"{rate / 1e9:.2f} Gbit/s")
        )
        report.check(f"TCP runs over {encapsulation}", rate > 50e6, f"{rate / 1e9:.2f} Gbit/s")
    report.table(["encapsulation", "from", "to", "received"], rows)
