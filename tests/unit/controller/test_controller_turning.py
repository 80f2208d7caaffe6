"""The controller leads nodes to the next version of a network, also after it has died, and not for ever."""

from __future__ import annotations

import pytest
from controller_fixture import NODES, TEXT, Cores, finish

from tulle import store
from tulle.controller.asked import Asked
from tulle.controller.stores import Embedded
from tulle.controller.turning import PATIENCE_S, Turning
from tulle.values import NodeReport, Turn, VersionReport

OTHER = TEXT.replace("dport=22", "dport=23", 1)
"""Only red is another one."""


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Led(Cores):
    """The cores, with networks red and blue on three nodes, and a change of red that is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.intent.apply(TEXT, "two-tenants.yaml")
        for node in NODES:
            self.write_state(lambda w, n=node: store.write_node(w, self.state_rows, n, {}, NodeReport()))
        self.bind_all()
        self.begin()

    def begin(self) -> None:
        """A controller that has just started."""
        self.turning = Turning(Embedded(self.intent_database), self.state_store, self.clock)
        self.turning.start()

    def change(self) -> None:
        self.intent.apply(OTHER, "two-tenants.yaml", Asked(atomic=True))

    def report(self, prepared: int, stamped: int, *nodes: str) -> None:
        for node in nodes:
            told = VersionReport({"red": prepared}, {"red": stamped})
            self.write_state(lambda w, n=node, t=told: store.write_version_report(w, self.state_rows, n, t))

    def turns(self) -> dict[str, Turn]:
        while self.turning.due.is_set():
            assert finish(self.turning.catch_up())
        return store.turns(self.state_rows)


ALL = ("node1", "node2", "node3")


def test_a_change_that_is_no_whole_one_has_no_version() -> None:
    led = Led()
    led.intent.apply(OTHER, "two-tenants.yaml")
    assert store.versions(led.intent_rows) == {"red": 0, "blue": 0}
    assert led.turns() == {}


@pytest.mark.parametrize("reborn", [False, True])
def test_each_step_waits_for_all_nodes(reborn: bool) -> None:
    led = Led()
    steps = [
        (led.change, {}),
        (lambda: led.report(1, 0, "node1", "node2"), {}),
        (lambda: led.report(1, 0, "node3"), {"red": Turn(1, (0,))}),
        (lambda: led.report(1, 1, "node1", "node3"), {"red": Turn(1, (0,))}),
        (lambda: led.report(1, 1, "node2"), {"red": Turn(1)}),
    ]
    for step, expected in steps:
        step()
        if reborn:
            led.turning.stop()
            led.begin()
        assert led.turns() == expected
    assert not led.turning.due.is_set()


def test_a_rollback_is_made_as_one_unless_it_is_asked_not_to() -> None:
    led = Led()
    led.intent.snapshot("red", "before")
    led.intent.apply(OTHER, "two-tenants.yaml")
    led.intent.rollback("red", "before", Asked(atomic=False))
    assert store.versions(led.intent_rows)["red"] == 0
    led.intent.apply(OTHER, "two-tenants.yaml")
    led.intent.rollback("red", "before")
    assert store.versions(led.intent_rows) == {"red": 1, "blue": 0}


def test_a_node_is_not_waited_for_longer_than_it_is_given() -> None:
    led = Led()
    led.change()
    led.report(1, 0, "node1", "node2")
    assert led.turns() == {}
    led.clock.now_s += PATIENCE_S
    led.turning.due.set()
    assert led.turns() == {"red": Turn(1, (0,), {"node3": 0})}
    led.report(1, 1, "node1", "node2")
    assert led.turns() == {"red": Turn(1, (), {"node3": 0})}
    led.report(1, 1, "node3")
    assert led.turns() == {"red": Turn(1)}


def test_a_network_that_is_gone_has_no_turn() -> None:
    led = Led()
    led.change()
    led.report(1, 0, *ALL)
    assert led.turns() == {"red": Turn(1, (0,))}
    led.intent.delete("red")
    assert led.turns() == {}
