"""Whole networks in the lab, with real packets: what a plan promised, pause, clone, rename."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab_bench import Bench
from patience import eventually
from pyroute2 import netns

from tulle.lab.measure import Probe, ping
from tulle.values import cookie_for

NODES = ("node1", "node2", "node3")


def promised(lab: Bench) -> dict[str, int]:
    """How many flows of red a plan would remove from each node, if red were deleted."""
    plan = lab.client.network("red").delete(dry_run=True)["plan"]
    return {one["node"]: one["flows"]["removed"] for one in plan["nodes"]}


def there(lab: Bench) -> dict[str, int]:
    """How many flows of red there are."""
    plan = lab.client.network("red").delete(dry_run=True)["plan"]
    cookies = {
        one["node"]: {f"cookie={cookie_for(row['object']):#x}" for row in one["objects"]}
        for one in plan["nodes"]
    }
    return {
        node: sum(flow.split(",")[0] in cookies.get(node, set()) for flow in lab.rules(node))
        for node in NODES
    }


def wait_kept(lab: Bench, expected: dict[str, int]) -> None:
    eventually(lambda: there(lab) == expected, f"{expected} flows, not {there(lab)}")


def test_flows_come_and_go_as_the_plan_says(lab: Bench) -> None:
    red = lab.client.network("red")
    generation = red.show()["generation"]
    before = promised(lab)
    wait_kept(lab, before)
    answer = lab.client.move_port("red", "web2", "node3", dry_run=True)
    more = {one["node"]: one["flows"]["added"] - one["flows"]["removed"] for one in answer["plan"]["nodes"]}
    assert any(more.values())
    lab.client.move_port("red", "web2", "node3", wait=True)
    expected = {node: before[node] + more.get(node, 0) for node in NODES}
    assert expected == promised(lab)
    wait_kept(lab, expected)
    red.rollback(generation, wait=True)
    wait_kept(lab, before)


def test_a_paused_network_is_silent_and_others_are_not(lab: Bench) -> None:
    assert lab.pings("red-web1", "10.0.2.12") and lab.pings("blue-web1", "10.0.2.12")
    red = lab.client.network("red")
    red.pause(wait=True)
    assert ping(Probe(lab.workload("red-web1"), "10.0.2.12"), count=2).received == 0
    assert lab.pings("blue-web1", "10.0.2.12")
    eventually(
        lambda: any("network red (paused)" in str(row) for row in lab.client.drops()),
        "the drops under their own name",
    )
    red.resume(wait=True)
    lab.wait_pings("red-web1", "10.0.2.12")


@contextmanager
def namespaces(*names: str) -> Iterator[None]:
    made = []
    try:
        for name in names:
            netns.create(name)
            made.append(name)
        yield
    finally:
        for name in made:
            netns.remove(name)


def test_a_clone_works_by_itself_with_the_same_addresses(lab: Bench) -> None:
    spaces = {port: lab.workload(f"copy-{port}") for port in ("web1", "db2")}
    with namespaces(*spaces.values()):
        places = {
            port: {"node": node, "namespace": spaces[port]}
            for port, node in (("web1", "node3"), ("db2", "node1"))
        }
        lab.client.network("red").clone("copy", places, wait=True)
        lab.wait_pings("copy-web1", "10.0.2.12")  # through its own router, to its own db2
        assert ping(Probe(spaces["web1"], "10.0.1.12"), count=1).received == 0, "web2 is unbound in the copy"
        assert lab.pings("red-web1", "10.0.2.12")
        lab.client.network("copy").delete(wait=True)
    assert lab.pings("red-web1", "10.0.2.12")


def test_a_renamed_network_goes_on_under_its_new_name(lab: Bench) -> None:
    red = lab.client.network("red")
    red.rename("crimson", wait=True)
    lab.wait_pings("red-web1", "10.0.2.12")
    lab.wait_pings("red-web1", "10.0.1.13")
    eventually(lambda: bool(lab.client.counters("crimson")), "counters under the new name")
    red.rename("red", wait=True)
    lab.wait_pings("red-web1", "10.0.2.12")
    assert [one["what"] for one in red.history()[-2:]] == ["rename red", "rename crimson"]
