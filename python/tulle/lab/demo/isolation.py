"""No packet of one tenant reaches the other: marked pings in one, captures of every frame in the other."""

from __future__ import annotations

from itertools import permutations

from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene, address, namespace, workloads
from tulle.lab.measure import frames_captured, run_in
from tulle.values import Network

MARK = bytes.fromhex("74756c6c656d61726b")  # put into every ping's payload


def show(scene: Scene, report: Report) -> None:
    """For each ordered pair of networks: marked pings in the first, captures in both."""
    report.title("Isolation: marked pings in one tenant, every frame captured at all workloads")
    rows = []
    for sender, other in permutations(scene.networks, 2):
        with report.progress(f"pinging in {sender.name}, capturing in {other.name}"):
            own, foreign = _count_marked(sender, other)
        rows.append((sender.name, str(own), other.name, str(foreign)))
        report.check(f"no packet of {sender.name} is seen in {other.name}", own > 0 and foreign == 0)
    report.table(["sent in", "marked frames seen there", "captured in", "marked frames seen there"], rows)


def _count_marked(sender: Network, other: Network) -> tuple[int, int]:
    own = {namespace(port) for port in workloads(sender)}
    points = [(name, "eth0") for name in sorted(own | {namespace(port) for port in workloads(other)})]
    with frames_captured(points) as frames:
        for source, target in permutations(workloads(sender), 2):
            if source.node != target.node:
                _marked_ping(namespace(source), address(target, 4))
        _broadcast(namespace(workloads(sender)[0]))
    marked = [place for place, frame in frames if MARK in frame]
    return sum(place in own for place in marked), sum(place not in own for place in marked)


def _marked_ping(source: str, target: str) -> None:
    run_in(source, ["ping", "-n", "-q", "-c", "2", "-i", "0.02", "-W", "1", "-p", MARK.hex(), target])


def _broadcast(source: str) -> None:
    """A broadcast, which goes to the whole switch: the surest way to leak."""
    mark = ["-p", MARK.hex(), "-b", "-c", "2", "-i", "0.02", "-W", "1", "255.255.255.255"]
    run_in(source, ["ping", "-n", "-q", "-I", "eth0", *mark])
