"""What a dry run tells: flows by node and object, ports, tunnels, and who reaches whom."""

from __future__ import annotations

from typing import Any

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle.controller import consequences as module
from tulle.controller.asked import Asked
from tulle.controller.consequences import consequences, read_world
from tulle.logical import Edit, Place, reach, reach_change

DRY = Asked(dry_run=True)


def filled() -> Cores:
    cores = Cores()
    cores.register(*NODES)
    cores.intent.apply(TEXT, "two.yaml")
    cores.bind_all()
    return cores


def plan(cores: Cores, applied: Any) -> Any:
    return consequences(read_world(cores.intent_rows, cores.state_rows), applied.pairs)


def test_a_moved_port_goes_from_one_node_to_the_other():
    cores = filled()
    nodes = {one["node"]: one for one in plan(cores, cores.intent.move("red", "web1", "node3", DRY))["nodes"]}
    assert nodes["node1"]["ports"] == {"added": [], "removed": ["red/web1"]}
    assert nodes["node3"]["ports"] == {"added": ["red/web1"], "removed": []}
    assert all(one["objects"] for one in nodes.values())
    assert {text for one in nodes.values() for text in one["tunnels"]["added"]} == set()


def test_only_what_a_network_needs_of_its_own_is_told():
    cores = filled()
    (red,) = plan(cores, cores.intent.clone("red", "copy", {"web1": Place("node1")}, None, DRY))["nodes"]
    assert red["node"] == "node1"
    assert red["flows"]["added"] == len(red["listed"]) > 50
    assert (red["flows"]["changed"], red["flows"]["removed"]) == (0, 0)
    assert not [one for one in red["listed"] if "copy" not in one["object"]], red["listed"]


def test_a_limit_and_a_policy_are_told_by_their_names():
    cores = filled()
    edits = (
        Edit("port", "web1", {"qos": {"from_port": {"rate_kbps": 1000}, "to_port": {"rate_kbps": 1000}}}),
        Edit(
            "router",
            "core",
            {"policies": [{"name": "no-mail", "priority": 1, "match": "tcp,dport=25", "action": "drop"}]},
        ),
    )
    found = plan(cores, cores.intent.edit("red", edits, DRY))
    (node,) = [one for one in found["nodes"] if one["node"] == "node1"]
    told = {one["object"] for one in node["listed"]}
    limits = {"limit red/web1/from-port", "limit red/web1/to-port"}
    assert told == {*limits, "policy red/no-mail", "port red/web1", "router red/core"}
    (reach,) = found["reach"]
    assert not reach["gained"]
    assert {service for one in reach["lost"] for service in one["services"]} == {"tcp/25"}


def test_a_clone_that_is_bound_nowhere_changes_no_node():
    cores = filled()
    assert plan(cores, cores.intent.clone("red", "copy", {}, None, DRY))["nodes"] == []


def test_pausing_takes_reach_away_and_deleting_does_too():
    cores = filled()
    for applied in (cores.intent.pause("red", True, DRY), cores.intent.delete("red", DRY)):
        (found,) = plan(cores, applied)["reach"]
        assert not found["gained"]
        assert {"db1", "web3"} <= {name for one in found["lost"] for name in one["sources"]}


def test_renaming_changes_nobodys_reach():
    cores = filled()
    assert plan(cores, cores.intent.rename("red", "crimson", DRY))["reach"] == []


def test_a_plan_that_nobody_could_read_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LISTED_MAX", 10)
    cores = filled()
    node = plan(cores, cores.intent.delete("red", DRY))["nodes"][0]
    assert len(node["listed"]) == 10
    assert node["left_out"] == node["flows"]["removed"] - 10


def test_reach_says_when_it_would_take_too_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach, "QUESTIONS_MAX", 3)
    cores = filled()
    found = reach_change(cores.intent.network("red").network, None)
    assert found.unknown is not None and "3 is the limit" in found.unknown
    assert found.gained == found.lost == ()


def test_a_load_balancer_is_told_by_its_name_and_its_zones_by_their_ports():
    cores = filled()
    balancer = (
        "    load_balancers:\n      - {name: shop, switch: web, protocol: tcp, vips: [10.0.1.100], dport: 80,\n"
        "         backends: [{port: web1}]}\n    acls:\n"
    )
    applied = cores.intent.apply(TEXT.replace("    acls:\n", balancer, 1), "two.yaml", DRY)
    for node in plan(cores, applied)["nodes"]:
        assert any(one["object"] == "balancer red/shop to web1" for one in node["objects"]), node["objects"]
        zones = [one["actions"] for one in node["listed"] if "->reg9" in one["actions"]]
        assert zones and all("set_field:red/" in text for text in zones), zones
