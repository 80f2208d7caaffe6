"""An outage undone: a snapshot, a damaging change, a rollback, and the pings working again."""

from __future__ import annotations

from tulle.lab.demo.reachability import measure
from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene

DAMAGE = "{name: oops, direction: to-port, switch: db, priority: 900, match: ip, action: drop}"


def show(scene: Scene, report: Report) -> None:
    """Damages the network red and rolls it back."""
    report.title("Snapshot, damage, rollback of red")
    network = scene.network("red")
    scene.client.snapshot("red", "before-damage")
    scene.client.apply(_damaged(scene.text), "damage.yaml", wait=True)
    difference = scene.client.diff("red", "before-damage")
    rows = [(str(change["kind"]), str(change["path"])) for change in difference]
    report.table(["since the snapshot", "what"], rows)
    broken = measure(network)
    report.check(
        "the damage is felt", not all(broken.values()), f"{sum(broken.values())} of {len(broken)} pings"
    )
    scene.client.rollback("red", "before-damage", wait=True)
    healed = measure(network)
    report.check("after the rollback all pings work", all(healed.values()), f"{sum(healed.values())} pings")


def _damaged(text: str) -> str:
    """The file with one more ACL in its first network, which is red."""
    head, _, tail = text.partition("    acls:\n")
    return f"{head}    acls:\n      - {DAMAGE}\n{tail}"
