"""Ports that are prepared, taken and drained, as the controller sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from controller_fixture import NODES, TEXT, Cores, Now, finish

from tulle import store
from tulle.controller.asked import Asked
from tulle.controller.moving import KEPT_S, Moving
from tulle.errors import Conflict, InvalidInput, NotFound, Unavailable
from tulle.store import Writer
from tulle.store import moving as rows
from tulle.values import Binding
from tulle.values.moving import PortState

WEB = ("red", "web2")


class Scene(Cores):
    """The example, bound, with a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.clock_s = 100.0
        self.moving = Moving(self.intent._wrapped, self.state_store, lambda: self.clock_s)
        self.now = Now(self.moving)
        self.register(*NODES)
        self.intent.apply(TEXT, "f")
        self.bind_all()

    def asked(self, port: str = "web2") -> str | None:
        ports = self.intent.network("red").network.ports
        return next(one.node for one in ports if one.name == port)

    def bind(self, node: str) -> None:
        binding = Binding(*WEB, node)
        self.write_state(lambda w: store.write_binding(w, self.state_rows, binding, "t"))

    @property
    def prepared(self) -> dict[tuple[str, str], str]:
        return {port: one.target for port, one in rows.prepared(self.state_rows).items()}

    def follow(self) -> float | None:
        return finish(self.moving._follow_all())


def say_ready(node: str) -> Callable[[Writer], None]:
    return lambda w: rows.write_port_state(w, lambda _table: [], PortState(node, *WEB, node, 0))


@pytest.fixture
def scene() -> Iterator[Scene]:
    yield Scene()


def test_when_a_port_has_been_taken_the_intent_follows_and_the_note_of_it_goes_later(scene: Scene) -> None:
    scene.now.prepare(*WEB, "node3")
    assert scene.prepared == {WEB: "node3"} and scene.asked() == "node2"
    assert scene.follow() is None
    assert scene.asked() == "node2", "nothing has been heard there yet"
    scene.bind("node3")
    assert scene.follow() == KEPT_S
    assert scene.asked() == "node3" and scene.prepared == {WEB: "node3"}
    assert scene.intent.history("red")[-1]["what"] == "move web2 to node3"
    scene.clock_s += KEPT_S
    scene.follow()
    assert scene.prepared == {}


def test_a_move_by_users_ends_what_was_prepared(scene: Scene) -> None:
    scene.now.prepare(*WEB, "node3")
    scene.now.move(*WEB, "node1", Asked(dry_run=True))
    assert scene.prepared == {WEB: "node3"}
    scene.now.move(*WEB, "node1")
    assert scene.prepared == {} and scene.asked() == "node1"


def test_what_users_have_decided_otherwise_by_a_file_is_prepared_no_more(scene: Scene) -> None:
    scene.now.prepare(*WEB, "node3")
    scene.intent.move(*WEB, "node1")
    scene.follow()
    assert scene.prepared == {}
    scene.now.prepare("red", "web1", "node3")
    scene.intent.delete("red")
    scene.follow()
    assert scene.prepared == {}


def test_a_port_is_prepared_at_another_node_with_an_agent_only(scene: Scene) -> None:
    with pytest.raises(NotFound):
        scene.now.prepare("red", "web9", "node3")
    with pytest.raises(NotFound):
        scene.now.prepare(*WEB, "node9")
    with pytest.raises(Conflict, match="already"):
        scene.now.prepare(*WEB, "node2")
    with pytest.raises(NotFound, match="prepared nowhere"):
        scene.now.cancel(*WEB)
    scene.now.prepare(*WEB, "node3")
    scene.now.cancel(*WEB)
    assert scene.prepared == {}


def test_who_prepares_a_port_is_answered_when_the_node_has_it_ready_or_has_taken_it(scene: Scene) -> None:
    scene.now.prepare(*WEB, "node3")
    assert scene.moving.is_made_there(*WEB)

    async def answered_after(event: Callable[[], None]) -> None:
        answer = asyncio.create_task(scene.moving.wait_ready(*WEB, "node3", 60.0))
        await asyncio.sleep(0)
        assert not answer.done()
        event()
        await answer

    asyncio.run(answered_after(lambda: scene.write_state(say_ready("node3"))))
    asyncio.run(scene.moving.wait_ready(*WEB, "node3", 60.0))
    scene.write_state(lambda w: rows.write_ready(w, scene.state_rows, "node3", []))
    asyncio.run(answered_after(lambda: scene.bind("node3")))


def test_a_node_that_is_not_ready_in_time_keeps_the_port_prepared(scene: Scene) -> None:
    scene.now.prepare(*WEB, "node3")
    scene.write_state(say_ready("node1"))
    with pytest.raises(Unavailable, match="not have port red/web2 ready") as late:
        asyncio.run(scene.moving.wait_ready(*WEB, "node3", 0.0))
    assert late.value.code == "timed-out" and scene.prepared == {WEB: "node3"}
    scene.now.cancel(*WEB)
    with pytest.raises(Conflict, match="no more"):
        asyncio.run(scene.moving.wait_ready(*WEB, "node3", 60.0))


def test_a_node_says_of_its_own_ports_alone_that_they_are_ready(scene: Scene) -> None:
    handed = PortState("node3", "red", "web1", "node1", 5, "TEXT")
    scene.write_state(lambda w: rows.write_port_state(w, scene.state_rows, handed))
    scene.write_state(lambda w: rows.write_ready(w, scene.state_rows, "node3", [WEB]))
    assert rows.is_ready(scene.state_rows, WEB, "node3")
    scene.write_state(lambda w: rows.delete_port_states(w, scene.state_rows, "node3", []))
    assert rows.is_ready(scene.state_rows, WEB, "node3"), "what is handed on is another matter"
    scene.write_state(lambda w: rows.write_ready(w, scene.state_rows, "node1", []))
    assert rows.is_ready(scene.state_rows, WEB, "node3")


def test_a_drained_node_s_ports_move_in_one_change_of_each_network(scene: Scene) -> None:
    plan, done = scene.now.drain("node2", None, Asked(dry_run=True))
    assert {one.target for one in plan} <= {"node1", "node3"} and scene.asked() == "node2"
    before = len(scene.intent.history("red"))
    plan, done = scene.now.drain("node2", "node1", Asked())
    assert {one.target for one in plan} == {"node1"} and len(done) == 2
    assert scene.asked() == "node1" and len(scene.intent.history("red")) == before + 1
    with pytest.raises(InvalidInput):
        scene.now.drain("node1", "node1")
    with pytest.raises(NotFound):
        scene.now.drain("node9", None)


def test_what_nobody_can_take_stays(scene: Scene) -> None:
    plan, done = scene.now.drain("node2", None, Asked(), lambda node: node == "node2")
    assert done == [] and all(one.target is None for one in plan)
