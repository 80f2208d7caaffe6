"""The steps from one encapsulation to another, and what each waits for."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tulle.control import advance, all_tunnels_of, network_mtu, settled, tunnels_of
from tulle.encap import encapsulations
from tulle.values import Binding, Node, Tunnel, TunnelEnd, Unreachable

ABLE = ("stt", "vxlan", "geneve")
NODES = {name: Node(name, f"192.0.2.{name[-1]}", ABLE) for name in ("n1", "n2")}
OLD = Tunnel("n1", "n2", "stt", generation=4)


def reports(
    generation: int, receives: Iterable[str], sends: Iterable[str], nodes: Iterable[str] = ("n1", "n2")
) -> dict[tuple[str, str], TunnelEnd]:
    """What these ends say, all the same."""
    made = {"n1": "n2", "n2": "n1"}
    return {
        (node, made[node]): TunnelEnd(node, made[node], generation, tuple(receives), tuple(sends))
        for node in nodes
    }


def step(
    current: Tunnel | None,
    chosen: Tunnel | Unreachable,
    ends: dict[tuple[str, str], TunnelEnd],
    nodes: dict[str, Node] = NODES,
) -> Tunnel | Unreachable:
    """One step, which is not taken twice."""
    (made,) = advance([] if current is None else [current], [chosen], ends, nodes)
    assert advance([made], [chosen], ends, nodes) == [made]
    return made


WANTED = Tunnel("n1", "n2", "vxlan")
COMING = replace(OLD, coming={"": "vxlan"}, generation=5)
MOVED = Tunnel("n1", "n2", "vxlan", leaving=("stt",), generation=6)


def test_what_is_chosen_is_announced_while_what_is_in_use_stays() -> None:
    assert step(OLD, WANTED, reports(4, ["stt"], ["stt"])) == COMING


def test_it_is_used_when_both_ends_receive_it() -> None:
    assert step(COMING, WANTED, reports(5, ["stt", "vxlan"], ["stt"])) == MOVED


def test_nothing_moves_while_one_end_does_not_receive_it() -> None:
    ends = reports(5, ["stt", "vxlan"], ["stt"])
    assert step(COMING, WANTED, ends | reports(5, ["stt"], ["stt"], ["n2"])) == COMING


def test_a_report_from_before_the_announcement_does_not_count() -> None:
    ends = reports(5, ["stt", "vxlan"], ["stt"])
    assert step(COMING, WANTED, ends | reports(4, ["stt", "vxlan"], ["stt"], ["n2"])) == COMING


def test_nothing_moves_while_one_end_is_silent() -> None:
    assert step(COMING, WANTED, reports(5, ["stt", "vxlan"], ["stt"], ["n1"])) == COMING


def test_what_was_used_stays_until_both_ends_send_by_it_no_more() -> None:
    both = ["stt", "vxlan"]
    assert step(MOVED, WANTED, reports(5, both, ["stt"])) == MOVED
    # What an end said before it heard of the change is no word on what it sends by now.
    assert step(MOVED, WANTED, reports(5, both, ["vxlan"])) == MOVED
    late = reports(6, both, ["vxlan"]) | reports(6, both, ["stt"], ["n2"])
    assert step(MOVED, WANTED, late) == MOVED
    done = replace(MOVED, leaving=(), generation=7)
    assert step(MOVED, WANTED, reports(6, both, ["vxlan"])) == done
    assert step(done, WANTED, reports(7, ["vxlan"], ["vxlan"])) == done


def test_a_wish_that_changes_on_the_way_is_followed_from_where_things_are() -> None:
    third = Tunnel("n1", "n2", "geneve")
    assert step(COMING, third, reports(5, ["stt"], ["stt"])) == replace(
        OLD, coming={"": "geneve"}, generation=6
    )
    assert step(COMING, Tunnel("n1", "n2", "stt"), {}) != COMING
    back = step(MOVED, Tunnel("n1", "n2", "stt"), reports(5, ["stt", "vxlan"], ["stt"]))
    assert back == replace(MOVED, coming={"": "stt"}, leaving=(), generation=7)


def test_a_pair_that_nobody_needs_changes_at_once() -> None:
    assert step(OLD, WANTED, {}) == replace(WANTED, generation=5)


def test_a_new_pair_starts_later_than_what_its_ends_have_seen() -> None:
    assert step(None, WANTED, reports(9, [], [])) == replace(WANTED, generation=10)


def test_an_end_that_reports_an_impossible_generation_cannot_make_one_that_no_database_takes() -> None:
    wrong = reports(2**63 - 1, [], [], ["n2"])
    assert step(None, WANTED, wrong) == replace(WANTED, generation=1)
    assert step(OLD, WANTED, reports(4, ["stt"], ["stt"]) | wrong) == COMING
    high = reports(2**62, [], [])
    made = step(None, WANTED, high)
    assert isinstance(made, Tunnel) and made.generation == 2**62 + 1
    assert step(made, WANTED, reports(2**62 + 1, [], [])) == made


def test_a_capability_that_is_gone_is_not_waited_for() -> None:
    poorer = NODES | {"n2": replace(NODES["n2"], encapsulations=("vxlan",))}
    assert step(OLD, WANTED, reports(4, ["stt"], ["stt"]), poorer) == replace(WANTED, generation=5)


def test_an_end_without_an_agent_does_as_it_is_told() -> None:
    nodes = NODES | {"n2": replace(NODES["n2"], external=True)}
    coming = step(OLD, WANTED, reports(4, ["stt"], ["stt"], ["n1"]), nodes)
    assert coming == COMING
    assert step(COMING, WANTED, reports(5, ["stt", "vxlan"], ["stt"], ["n1"]), nodes) == MOVED


def test_an_end_whose_agent_never_reports_is_not_waited_for() -> None:
    new = reports(5, ["stt", "vxlan"], ["stt"], ["n1"])
    (made,) = advance([COMING], [WANTED], new, NODES, {"n2"})
    assert made == MOVED
    assert settled(COMING, new, NODES, {"n2"}) and not settled(COMING, new, NODES, {"n1"})
    # Once it has reported it is waited for like any other.
    late = new | reports(4, ["stt"], ["stt"], ["n2"])
    assert not settled(COMING, late, NODES, {"n2"})


def test_a_network_goes_its_own_way_while_the_others_stay() -> None:
    wanted = Tunnel("n1", "n2", "stt", {"red": "vxlan"})
    coming = step(OLD, wanted, reports(4, ["stt"], ["stt"]))
    assert coming == Tunnel("n1", "n2", "stt", {"red": "stt"}, {"red": "vxlan"}, generation=5)
    moved = step(coming, wanted, reports(5, ["stt", "vxlan"], ["stt"]))
    assert moved == Tunnel("n1", "n2", "stt", {"red": "vxlan"}, generation=6)
    back = step(moved, replace(wanted, networks={}), reports(6, ["stt", "vxlan"], ["stt", "vxlan"]))
    assert back == replace(moved, coming={"red": "stt"}, generation=7)
    last = step(back, replace(wanted, networks={}), reports(7, ["stt", "vxlan"], ["stt", "vxlan"]))
    assert last == Tunnel("n1", "n2", "stt", leaving=("vxlan",), generation=8)


def test_a_network_that_wants_what_the_others_leave_stays_with_it() -> None:
    wanted = Tunnel("n1", "n2", "vxlan", {"red": "stt"})
    coming = step(OLD, wanted, reports(4, ["stt"], ["stt"]))
    assert coming == Tunnel("n1", "n2", "stt", {"red": "stt"}, {"": "vxlan"}, generation=5)
    moved = step(coming, wanted, reports(5, ["stt", "vxlan"], ["stt"]))
    assert moved == replace(wanted, generation=6)


def test_a_node_makes_all_that_is_named_and_sends_by_one() -> None:
    tunnel = Tunnel("n1", "n2", "stt", {"red": "vxlan"}, {"": "geneve"}, ("gre",))
    made = all_tunnels_of("n2", [tunnel], NODES)
    assert [one.encapsulation for one in made] == ["geneve", "gre", "stt", "vxlan"]
    assert [one.encapsulation for one in tunnels_of("n2", [tunnel], NODES)] == ["stt"]
    assert [one.encapsulation for one in tunnels_of("n2", [tunnel], NODES, "red")] == ["vxlan"]


def test_packets_get_smaller_before_a_change_and_larger_after_it() -> None:
    bindings = [Binding(network, "p", node) for network in ("red", "blue") for node in NODES]

    def mtus(tunnel: Tunnel) -> tuple[int, int]:
        red, blue = (network_mtu(name, bindings, [tunnel], encapsulations()) for name in ("red", "blue"))
        return red, blue

    assert mtus(COMING) == (1450, 1450)
    assert mtus(MOVED) == (1450, 1450)
    assert mtus(replace(MOVED, leaving=(), coming={"": "stt"})) == (1450, 1450)
    assert mtus(Tunnel("n1", "n2", "stt", {"red": "stt"}, {"red": "vxlan"})) == (1450, 1500)
    assert mtus(Tunnel("n1", "n2", "stt", {"red": "stt"}, {"": "vxlan"})) == (1500, 1450)


def test_a_pair_is_settled_when_both_ends_have_seen_its_generation() -> None:
    assert settled(COMING, reports(5, [], []), NODES)
    assert not settled(COMING, reports(5, [], []) | reports(4, [], [], ["n1"]), NODES)


def test_an_agent_of_a_release_that_says_nothing_about_tunnels_is_not_waited_for() -> None:
    ends = reports(5, ["stt", "vxlan"], ["stt"], ["n1"])
    assert not settled(COMING, ends, NODES)
    assert settled(COMING, ends, NODES, {"n2"})
    assert advance([COMING], [WANTED], ends, NODES, {"n2"}) == [MOVED]
    early = reports(4, ["stt"], ["stt"], ["n1"])
    assert advance([COMING], [WANTED], early, NODES, {"n2"}) == [COMING]
