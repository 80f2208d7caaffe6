"""Waiting until a change is true everywhere."""

from __future__ import annotations

import asyncio

import pytest
from controller_fixture import NODES, TEXT, Cores

from tulle import store
from tulle.controller.heartbeat import SILENCE_S, Heartbeats
from tulle.controller.progress import behind, wait_applied
from tulle.errors import Unavailable

ALL = {"red": 1, "blue": 1}


def late(cores: Cores, wanted: dict[str, int]) -> list[str]:
    return [str(one) for one in behind(cores.intent_rows, cores.state_rows, wanted)]


def ready() -> Cores:
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.register(*NODES, applied=ALL)
    cores.bind_all()
    return cores


def test_nobody_is_behind_when_all_have_applied_and_bound():
    assert late(ready(), ALL) == []


def test_nodes_that_never_came_are_behind():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    assert "node1: has not registered" in late(cores, {"red": 1})


def test_node_with_an_old_generation_is_behind():
    cores = ready()
    cores.intent.move("red", "web1", "node3")
    cores.bind_all()
    cores.register(*NODES[:2], applied={"red": 2, "blue": 1})
    assert late(cores, {"red": 2}) == ["node3: generation 2 of red was expected, it has generation 1"]


def test_port_that_is_not_bound_at_its_new_node_is_behind():
    cores = ready()
    cores.intent.move("red", "web1", "node3")
    cores.register(*NODES, applied={"red": 2, "blue": 1})
    assert late(cores, {"red": 2}) == ["node3: port red/web1 is not bound there yet"]


def test_external_nodes_are_not_waited_for():
    cores = Cores()
    cores.intent.apply(TEXT.replace("{name: node3,", "{name: node3, external: true,"), "two.yaml")
    cores.register(*NODES[:2], applied=ALL)
    cores.bind_all()
    assert late(cores, ALL) == []


def test_deleted_network_must_be_gone_from_every_node():
    cores = ready()
    cores.intent.delete("red")
    assert len(late(cores, {"red": 0})) == 3
    cores.register(*NODES, applied={"blue": 1})
    assert late(cores, {"red": 0}) == []


async def test_wait_ends_with_the_last_node():
    cores = Cores()
    cores.intent.apply(TEXT, "two.yaml")
    cores.bind_all()
    waiting = asyncio.create_task(wait_applied(cores.intent_database, cores.state_database, ALL, 30))
    for node in NODES:
        await asyncio.sleep(0)
        assert not waiting.done()
        cores.register(node, applied=ALL)
    await asyncio.wait_for(waiting, 10)


async def test_wait_names_who_is_behind_when_the_time_is_over():
    cores = ready()
    cores.register(NODES[1], applied={"red": 1})
    with pytest.raises(Unavailable, match="node2: generation 1 of blue was expected, it has nothing") as late:
        await wait_applied(cores.intent_database, cores.state_database, ALL, 0.01)
    assert late.value.code == "timed-out"


def test_agent_is_connected_until_it_has_been_silent_for_too_long():
    cores = Cores()
    now = 100.0
    beats = Heartbeats(cores.state_database, lambda: now)
    assert not beats.connected("node1")
    cores.register(NODES[0])
    assert beats.connected("node1")
    now += SILENCE_S
    assert not beats.connected("node1")
    cores.write_state(lambda w: store.write_heartbeat(w, cores.state_rows, "node1"))
    assert beats.connected("node1")
