"""A port moved from node 2 to node 3 under a running 100 Hz ping: how many pings are lost?"""

from __future__ import annotations

import time

from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene, address, namespace
from tulle.lab.measure import Probe, RunningPing

MOST_LOST = 20  # 0.2 s; the aim is none


def show(scene: Scene, report: Report) -> None:
    """Moves the port web2 of red and counts."""
    report.title("A port moves from node2 to node3 under a 100 Hz ping")
    near, moving = scene.pair("red", "node1", "node2")
    with RunningPing(Probe(namespace(near), address(moving, 4)), interval_s=0.01) as ping:
        time.sleep(0.5)
        with report.progress("moving"):
            started = time.monotonic()
            scene.client.move_port("red", moving.name, "node3", wait=True)
            took_s = time.monotonic() - started
        time.sleep(0.5)
        result = ping.stop()
    rows = [(moving.name, "node2", "node3", f"{took_s:.2f} s", str(result.sent), str(result.lost))]
    report.table(["port", "from", "to", "took", "pings sent", "lost"], rows)
    report.check("the ping goes on after the move", 0 <= result.lost <= MOST_LOST, f"{result.lost} lost")
    bound = {port["name"]: port["bound"] for port in scene.client.ports("red")}[moving.name]
    report.check("the port is bound to node3", bound == "node3", str(bound))
