"""Ports that are prepared at a node: what it serves of them before and after they have spoken there."""

from __future__ import annotations

from tulle.agent import placing
from tulle.agent.placing import Places
from tulle.agent.view import PortName, View
from tulle.store import StoredNetwork
from tulle.values import Binding, Ids, LogicalPort, LogicalSwitch, Network, Node
from tulle.values.moving import Prepared, Transit

ME, OTHER, THIRD = "node1", "node2", "node3"
WEB: PortName = ("red", "web")
NONE: frozenset[PortName] = frozenset()
FOREIGN = frozenset({WEB})


def view(asked: str | None, bound: str, source: str | None = OTHER, target: str = ME) -> View:
    port = LogicalPort("web", "lan", "02:00:00:00:00:01", node=asked)
    network = Network("red", (LogicalSwitch("lan"),), ports=(port,))
    nodes = {name: Node(name, f"192.0.2.{i}", ("stt",)) for i, name in enumerate((ME, OTHER, THIRD))}
    prepared = {WEB: Prepared(*WEB, source, target)}
    return View({"red": StoredNetwork(network, 1)}, nodes, (), {WEB: bound}, Ids(), prepared=prepared)


def test_a_prepared_port_is_ready_here_and_stays_where_it_is() -> None:
    one = view(OTHER, OTHER)
    places = Places(placing.wanted(one, ME, NONE), placing.held(one, ME), NONE, placing.coming(one, ME))
    assert (places.wanted, places.coming, places.local) == (NONE, {WEB}, {WEB})
    assert placing.claims(one, ME, places, {WEB}) == []
    assert placing.transits(one, ME, places, {WEB}, NONE) == (
        Transit(*WEB, OTHER, comes=True, activates=True),
    )
    assert placing.transits(one, ME, places, NONE, NONE) == ()


def test_others_make_tunnels_to_the_node_that_is_prepared() -> None:
    one = view(OTHER, OTHER, target=THIRD)
    places = Places(frozenset({("red", "db")}), NONE, NONE)
    assert placing.needed_remotes(one, ME, places, [Binding("red", "db", ME)]) == {OTHER, THIRD}


def test_once_taken_it_asks_for_its_new_node_before_users_intent_says_so() -> None:
    taken = view(OTHER, ME)
    assert taken.requested == {WEB: ME}
    assert placing.wanted(taken, ME, NONE) == {WEB} and placing.coming(taken, ME) == NONE
    assert placing.wanted(taken, OTHER, NONE) == NONE
    assert view(THIRD, ME).requested == {WEB: THIRD}, "users have asked for another place since"


def test_a_virtual_machine_that_is_plugged_in_at_both_nodes_is_wanted_at_one() -> None:
    before, after = view(None, OTHER, source=None), view(None, ME, source=None)
    assert (placing.wanted(before, ME, FOREIGN), placing.wanted(before, OTHER, FOREIGN)) == (NONE, {WEB})
    assert (placing.wanted(after, ME, FOREIGN), placing.wanted(after, OTHER, FOREIGN)) == ({WEB}, NONE)


def test_the_old_node_gives_connections_and_sends_on_what_comes_late() -> None:
    before = view(OTHER, OTHER)
    held = Places(frozenset({WEB}), NONE, NONE)
    assert placing.departing(before, OTHER, held) == {WEB: ME}
    lingering = Places(NONE, NONE, frozenset({WEB}))
    after = view(OTHER, ME)
    assert placing.departing(after, OTHER, lingering) == {WEB: ME}
    assert placing.transits(after, OTHER, lingering, {WEB}, NONE) == (Transit(*WEB, ME, comes=False),)


def test_a_port_that_waits_for_its_connections_is_looked_for_at_its_old_node() -> None:
    one = view(ME, OTHER, target=THIRD)
    places = Places(frozenset({WEB}), NONE, NONE)
    assert placing.transits(one, ME, places, {WEB}, {WEB}) == (Transit(*WEB, OTHER, comes=True),)
