"""Which generation a node says that it has of a network."""

from __future__ import annotations

from msgspec.structs import replace

from tulle.agent.applied import applied_generations
from tulle.agent.editions import Editions
from tulle.agent.following import looks_around
from tulle.agent.view import View
from tulle.store import StoredNetwork
from tulle.values import Ids, LogicalSwitch, Multicast, Network

RED = StoredNetwork(Network("red", switches=(LogicalSwitch("web"),)), 6)


def said(late: set[str], reported: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    view = View({"red": RED}, {}, (), {}, Ids({}, {}))
    return applied_generations(view, {"red"}, late, reported, before, Editions("node1"))


def test_a_network_that_is_late_stays_at_what_was_said_of_it_also_by_the_agent_before() -> None:
    assert said(set(), {}, {"red": 5}) == {"red": 6}
    assert said({"red"}, {"red": 5}, {"red": 4}) == {"red": 5}
    assert said({"red"}, {}, {"red": 5}) == {"red": 5}, "its old flows have numbers that nobody else may get"
    assert said({"red"}, {}, {}) == {}


def test_where_groups_are_listened_to_more_than_flows_follows() -> None:
    (switch,) = RED.network.switches
    assert not looks_around(RED.network)
    assert looks_around(replace(RED.network, switches=(replace(switch, multicast=Multicast()),)))
