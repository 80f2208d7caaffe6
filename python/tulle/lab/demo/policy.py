"""The ACL at work: what it forbids does not arrive, the rest does, and the drop is counted."""

from __future__ import annotations

import subprocess
import sys

from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene, address, namespace
from tulle.lab.measure import run_in
from tulle.lab.waiting import wait_until
from tulle.values import LogicalPort

LISTEN = """
import socket, sys, threading
def serve(port):
    s = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True: s.accept()[0].close()
for port in map(int, sys.argv[1:]): threading.Thread(target=serve, args=(port,), daemon=True).start()
sys.stdin.read()
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()"


def show(scene: Scene, report: Report) -> None:
    """TCP to a forbidden and to an allowed port of one workload, and the drop counter between them."""
    report.title("ACL: `no-ssh-to-db` of red drops TCP to port 22 of the db switch")
    client, server = scene.port("red", "web1"), scene.port("red", "db1")
    before = _dropped(scene)
    results = _try(client, server)
    with report.progress("waiting for the counters"):
        wait_until(lambda: _dropped(scene) > before, what="the ACL's drop counter to rise", limit_s=60)
    columns = ("node", "reason", "object", "packets")
    rows = [tuple(str(drop[column]) for column in columns) for drop in _drops(scene)]
    report.table(["node", "drop reason", "by", "packets"], rows)
    for family in (4, 6):
        report.check(f"TCP to port 80 over IPv{family} arrives", results[family, 80])
        report.check(f"TCP to port 22 over IPv{family} is dropped", not results[family, 22])
    report.check(
        "the drop is counted under the rule's name", _dropped(scene) > before, f"{_dropped(scene)} packets"
    )


def _try(client: LogicalPort, server: LogicalPort) -> dict[tuple[int, int], bool]:
    listener = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{namespace(server)}", sys.executable, "-c", LISTEN, "22", "80"],
        stdin=subprocess.PIPE,
    )
    try:
        listening = lambda: run_in(namespace(server), ["ss", "-Hltn"]).stdout.count("*:") >= 2  # noqa: E731
        wait_until(listening, what="the server to listen", limit_s=60)
        pairs = [(family, port) for family in (4, 6) for port in (22, 80)]
        return {(family, port): _connects(client, address(server, family), port) for family, port in pairs}
    finally:
        listener.kill()
        listener.wait()


def _connects(client: LogicalPort, target: str, port: int) -> bool:
    return run_in(namespace(client), [sys.executable, "-c", CONNECT, target, str(port)]).returncode == 0


def _drops(scene: Scene) -> list[dict[str, object]]:
    return [drop for drop in scene.client.drops() if "no-ssh-to-db" in str(drop["object"])]


def _dropped(scene: Scene) -> int:
    return sum(int(str(drop["packets"])) for drop in _drops(scene) if "red/" in str(drop["object"]))
