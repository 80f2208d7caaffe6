"""Every operation on a network, for tests that kill who carries it out; all begin with the same deployment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from patience import eventually

from tulle.api import Client

CHAIN = Path(__file__).parents[2] / "examples" / "service-chain.yaml"
TEXT = CHAIN.read_text()
OTHER = TEXT.replace("10.9.1.11", "10.9.1.12").replace("name: watch-web1", "name: watch-web")
NEW = """networks:
  - name: fresh
    switches: [{name: lan, subnets: [10.7.0.0/24]}]
    ports: [{name: a, switch: lan, node: node1}, {name: b, switch: lan, node: node2}]
"""
TWIN = NEW.replace("fresh", "twin")
GUARD = {
    "name": "guard",
    "port": "web1",
    "direction": "to-port",
    "match": "ip4",
    "appliances": ["firewall"],
    "fail": "closed",
    "idle": False,
}
Operation = Callable[[Client], object]
Present = dict[str, Any]


def register(database: Path) -> None:
    """Nodes and bound ports as if agents had come, in the database of a controller."""
    rows = [
        {"name": f"node{at}", "address": f"192.0.2.{at}", "encapsulations": "stt,vxlan", "underlay_mtu": 1500}
        for at in (1, 2, 3)
    ]
    bound = [("twin", "a", "node1"), ("twin", "b", "node2"), ("shop", "web1", "node3")]
    places = [{"network": network, "port": port, "node": node} for network, port, node in bound]
    inserts = [{"op": "insert", "table": "Node", "row": row} for row in rows]
    inserts += [{"op": "insert", "table": "Binding", "row": row} for row in places]
    transact(database, *inserts)


def transact(database: Path, *operations: dict[str, object]) -> list[dict[str, Any]]:
    """Work on `Tulle_State` past the controller."""
    words = ["ovsdb-client", "transact", f"unix:{database}", json.dumps(["Tulle_State", *operations])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "error" not in done.stdout, done
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def prepare(tulle: Client, database: Path) -> None:
    """Networks of which one has a past to go back to, one is paused, and one has a port prepared elsewhere."""
    tulle.apply(OTHER, "other.yaml")
    tulle.apply(TWIN, "twin.yaml")
    tulle.snapshot("shop", "former")
    tulle.snapshot("shop", "useless")
    tulle.apply(TEXT, "text.yaml")
    tulle.apply(TWIN.replace("twin", "still"), "still.yaml")
    tulle.network("still").pause()
    register(database)
    tulle.prepare_port("twin", "b", "node1")


OPERATIONS: dict[str, Operation] = {
    "create": lambda tulle: tulle.apply(NEW, "new.yaml"),
    "apply": lambda tulle: tulle.apply(OTHER, "other.yaml"),
    "edit": lambda tulle: tulle.edit("twin", [{"kind": "port", "name": "c", "values": {"switch": "lan"}}]),
    "delete": lambda tulle: tulle.delete_network("shop"),
    "snapshot": lambda tulle: tulle.snapshot("shop", "now"),
    "delete-snapshot": lambda tulle: tulle.delete_snapshot("shop", "useless"),
    "rollback": lambda tulle: tulle.rollback("shop", "former"),
    "rollback-one-by-one": lambda tulle: tulle.rollback("shop", "former", atomic=False),
    "clone": lambda tulle: tulle.network("shop").clone("copy", {"web1": {"node": "node1"}}),
    "import": lambda tulle: tulle.import_network(tulle.export("twin"), "twin.yaml", name="import"),
    "rename": lambda tulle: tulle.network("shop").rename("store"),
    "pause": lambda tulle: tulle.network("shop").pause(),
    "resume": lambda tulle: tulle.network("still").resume(),
    "move": lambda tulle: tulle.move_port("shop", "web1", "node1"),
    "prepare": lambda tulle: tulle.prepare_port("shop", "web1", "node1"),
    "cancel": lambda tulle: tulle.cancel_prepared("twin", "b"),
    "drain": lambda tulle: tulle.drain("node2", to="node1"),
    "prefer": lambda tulle: tulle.prefer("shop", ["vxlan"]),
    "insert": lambda tulle: tulle.edit("shop", [{"kind": "chain", "name": "guard", "values": GUARD}]),
}
EACH_BY_ITSELF = {"drain"}
"""Operations that are one change of each network."""


def present(tulle: Client) -> Present:
    """All that a user sees of each network, but for times and generations."""
    found = {}
    for name in (one["name"] for one in tulle.networks()):
        places = {one["name"]: (one["node"], one["prepared"]) for one in tulle.ports(name)}
        snapshots = [one["name"] for one in tulle.snapshots(name)]
        happened = [one["what"] for one in tulle.history(name)]
        preferred = tulle.show_network(name)["network"].get("encapsulations")
        found[name] = (tulle.export(name), places, snapshots, happened, preferred)
    return found


def check_whole(name: str, now: Present, old: Present, new: Present) -> None:
    """What is there now is the old or the new."""
    if name in EACH_BY_ITSELF:
        assert now.keys() == old.keys()
        assert all(now[one] in (old[one], new[one]) for one in now), (now, old, new)
    else:
        assert now in (old, new), (now, old, new)


def check_history(tulle: Client) -> None:
    """The last change is what is there now, and everything before can be read."""
    for one in tulle.networks():
        history = tulle.history(one["name"])
        assert history[-1]["generation"] == one["generation"], (history, one)
        assert tulle.diff(one["name"], str(one["generation"])) == []
        assert tulle.export(one["name"], str(history[0]["generation"]))


def check_numbers(tulle: Client, database: Path) -> None:
    """What a crash between the two databases left undone is done: every port has its number."""
    ports = {(one["network"], one["name"]) for one in tulle.ports()}

    def numbered() -> set[tuple[str, str]]:
        where: list[object] = []
        columns = ["network", "port"]
        (keys,) = transact(
            database, {"op": "select", "table": "Port_Key", "where": where, "columns": columns}
        )
        return {(row["network"], row["port"]) for row in keys["rows"]}

    eventually(lambda: numbered() >= ports, lambda: f"numbers for {ports - numbered()}")
