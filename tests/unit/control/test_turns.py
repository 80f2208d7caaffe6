"""Versions of a network follow one another step by step, as nodes report; who is late is left behind."""

from __future__ import annotations

from tulle.control import Wanted, advance_turn, is_turning, next_version
from tulle.values import Turn, VersionReport

NODES = frozenset({"node1", "node2"})
OLD, NEW = 4, 5
Told = dict[str, tuple[int, int]]


def advanced(turn: Turn, told: Told, late: tuple[str, ...] = (), version: int = NEW) -> Turn:
    """`told`: by node, the version that it has prepared and the one that it stamps."""
    reports = {
        node: VersionReport({"red": prepared}, {"red": stamped}) for node, (prepared, stamped) in told.items()
    }
    return advance_turn(turn, Wanted(version, NODES), reports, "red", late)


def test_nothing_is_stamped_before_all_nodes_can_handle_it() -> None:
    some = {"node1": (NEW, OLD), "node2": (OLD, OLD)}
    assert advanced(Turn(OLD), some) == Turn(OLD)
    every = {"node1": (NEW, OLD), "node2": (NEW, OLD)}
    assert advanced(Turn(OLD), every) == Turn(NEW, (OLD,))


def test_the_former_version_stays_until_nobody_stamps_it() -> None:
    assert advanced(Turn(NEW, (OLD,)), {"node1": (NEW, NEW), "node2": (NEW, OLD)}) == Turn(NEW, (OLD,))
    assert advanced(Turn(NEW, (OLD,)), {"node1": (NEW, NEW), "node2": (NEW, NEW)}) == Turn(NEW)


def test_what_users_want_meanwhile_waits_for_the_step_that_is_under_way() -> None:
    told = {"node1": (NEW + 1, NEW), "node2": (NEW + 1, OLD)}
    assert advanced(Turn(NEW, (OLD,)), told, version=NEW + 1) == Turn(NEW, (OLD,))
    told["node2"] = (NEW + 1, NEW)
    assert advanced(Turn(NEW, (OLD,)), told, version=NEW + 1) == Turn(NEW)
    assert advanced(Turn(NEW), told, version=NEW + 1) == Turn(NEW + 1, (NEW,))


def test_a_node_that_is_late_is_left_with_the_version_that_it_has_until_it_follows() -> None:
    some = {"node1": (NEW, OLD), "node2": (OLD, OLD)}
    turn = advanced(Turn(OLD), some, late=("node2",))
    assert turn == Turn(NEW, (OLD,), {"node2": OLD})
    some["node1"] = (NEW, NEW)
    turn = advanced(turn, some)
    assert turn == Turn(NEW, (), {"node2": OLD})
    assert is_turning(turn, NEW)
    assert advanced(turn, some) == turn
    assert advanced(turn, {**some, "node2": (NEW, NEW)}) == Turn(NEW)


def test_a_node_that_is_late_to_stamp_is_left_behind_too() -> None:
    told = {"node1": (NEW, NEW), "node2": (NEW, OLD)}
    assert advanced(Turn(NEW, (OLD,)), told, late=("node1", "node2")) == Turn(NEW, (), {"node2": OLD})


def test_a_node_that_has_nothing_of_the_network_any_more_is_not_waited_for() -> None:
    turn = Turn(NEW, (), {"node3": OLD})
    assert advanced(turn, {"node1": (NEW, NEW), "node2": (NEW, NEW)}) == Turn(NEW)


def test_numbers_are_used_in_turn() -> None:
    assert [next_version(one) for one in (0, 254, 255)] == [1, 255, 0]
