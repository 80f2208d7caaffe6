"""Which ports a node serves while they come, stay, move and go."""

from __future__ import annotations

from tulle.agent import placing
from tulle.agent.placing import GRACE_S, Lingering, Places
from tulle.agent.view import PortName, View
from tulle.store import StoredNetwork
from tulle.values import Binding, Ids, LogicalPort, LogicalSwitch, Network, Node

ME, OTHER, THIRD = "node1", "node2", "node3"
WEB: PortName = ("red", "web")
NONE: frozenset[PortName] = frozenset()


def view(asked: str | None, bound: str | None, **more: str) -> View:
    ports = [LogicalPort("web", "lan", "02:00:00:00:00:01", node=asked)]
    ports += [LogicalPort(name, "lan", "02:00:00:00:00:02", node=node) for name, node in more.items()]
    network = Network("red", (LogicalSwitch("lan"),), ports=tuple(ports))
    nodes = {name: Node(name, f"192.0.2.{i}", ("stt",)) for i, name in enumerate((ME, OTHER, THIRD))}
    bindings = {WEB: bound} if bound is not None else {}
    return View({"red": StoredNetwork(network, 1)}, nodes, (), bindings, Ids())


def places_of(one: View, lingering: frozenset[PortName] = NONE) -> Places:
    return Places(placing.wanted(one, ME, NONE), placing.held(one, ME), lingering)


def test_a_port_that_asks_for_this_node_is_claimed_when_it_is_ready() -> None:
    one = view(asked=ME, bound=None)
    places = places_of(one)
    assert places.wanted == {WEB}
    assert placing.claims(one, ME, places, NONE) == []
    assert placing.claims(one, ME, places, {WEB}) == [WEB]


def test_a_port_that_is_bound_here_is_not_claimed_again() -> None:
    one = view(asked=ME, bound=ME)
    assert placing.claims(one, ME, places_of(one), {WEB}) == []


def test_a_port_that_moves_away_is_held_until_the_other_node_claims_it() -> None:
    before = view(asked=OTHER, bound=ME)
    assert places_of(before).held == {WEB}
    assert placing.releases(before, ME, places_of(before)) == []
    after = view(asked=OTHER, bound=OTHER)
    assert places_of(after).local == frozenset()


def test_a_port_that_has_just_moved_away_lingers_for_the_grace_time() -> None:
    lingering = Lingering()
    lingering.serve(frozenset({WEB}))
    after = view(asked=OTHER, bound=OTHER)
    assert lingering.update(after, ME, NONE, now=100.0) == {WEB}
    assert lingering.next_end() == 100.0 + GRACE_S
    lingering.serve(frozenset({WEB}))
    assert lingering.update(after, ME, NONE, now=100.0 + GRACE_S / 2) == {WEB}
    lingering.serve(NONE)
    assert lingering.update(after, ME, NONE, now=100.0 + GRACE_S) == frozenset()
    assert lingering.next_end() is None


def test_a_port_that_comes_back_while_it_lingers_just_stays() -> None:
    lingering = Lingering()
    lingering.serve(frozenset({WEB}))
    lingering.update(view(asked=OTHER, bound=OTHER), ME, NONE, now=1.0)
    back = view(asked=ME, bound=OTHER)
    assert lingering.update(back, ME, frozenset({WEB}), now=1.1) == frozenset()


def test_a_deleted_port_does_not_linger() -> None:
    lingering = Lingering()
    lingering.serve(frozenset({("red", "gone")}))
    assert lingering.update(view(None, None), ME, NONE, now=1.0) == frozenset()


def test_a_port_that_asks_for_no_node_is_wanted_only_where_somebody_has_plugged_it_in() -> None:
    one = view(asked=None, bound=None)
    assert placing.wanted(one, ME, NONE) == frozenset()
    assert placing.wanted(one, ME, {WEB}) == {WEB}
    assert placing.wanted(view(asked=OTHER, bound=None), ME, {WEB}) == frozenset()


def test_a_binding_that_nobody_wants_here_is_released() -> None:
    unbound = view(asked=None, bound=ME)
    assert placing.releases(unbound, ME, places_of(unbound)) == [WEB]


def test_a_port_is_seen_here_once_it_is_ready_and_where_it_was_until_then() -> None:
    one = view(asked=ME, bound=OTHER)
    places = places_of(one)
    assert placing.effective_bindings(one, ME, places, NONE) == (Binding("red", "web", OTHER),)
    assert placing.effective_bindings(one, ME, places, {WEB}) == (Binding("red", "web", ME),)


def test_a_lingering_port_is_still_served_here() -> None:
    one = view(asked=OTHER, bound=OTHER)
    places = places_of(one, frozenset({WEB}))
    assert placing.effective_bindings(one, ME, places, {WEB}) == (Binding("red", "web", ME),)


def test_tunnels_reach_the_node_to_which_a_port_is_about_to_move() -> None:
    one = view(asked=THIRD, bound=OTHER, db=ME)
    places = places_of(one)
    bindings = placing.effective_bindings(one, ME, places, NONE)
    assert placing.needed_remotes(one, ME, places, bindings) == {OTHER, THIRD}


def test_a_node_without_ports_of_a_network_needs_no_tunnels() -> None:
    one = view(asked=OTHER, bound=OTHER)
    bindings = placing.effective_bindings(one, ME, places_of(one), NONE)
    assert placing.needed_remotes(one, ME, places_of(one), bindings) == frozenset()


def test_a_binding_to_a_node_that_is_not_known_is_no_binding() -> None:
    one = view(asked=None, bound="node9")
    assert placing.effective_bindings(one, ME, places_of(one), NONE) == ()
