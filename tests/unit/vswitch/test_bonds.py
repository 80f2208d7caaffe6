"""Members of bonds: delays, the active one, what is told to the native switch."""

from __future__ import annotations

from tulle.vswitch.bonds import Bond, new_bond
from tulle.vswitch.forwarding import BundleConfig, Forwarding, MirrorConfig, native

CONFIG = BundleConfig("bond0", ("a", "b"), up_delay_ms=1000, down_delay_ms=500)
BOTH = {"a": True, "b": True}
NUMBERS = {"a": 1, "b": 2, "c": 3}


def test_a_member_is_down_only_after_its_delay() -> None:
    bond = Bond(CONFIG)
    bond.follow(BOTH, 0.0)
    assert bond.active == "a"
    bond.follow({"a": False, "b": True}, 1.0)
    assert bond.live == ["a", "b"]
    bond.follow({"a": False, "b": True}, 1.5)
    assert (bond.active, bond.live) == ("b", ["b"])


def test_a_link_that_flaps_within_the_delay_changes_nothing() -> None:
    bond = new_bond(CONFIG)
    for now, up in ((1.0, False), (1.4, True), (1.6, False), (2.0, True)):
        bond.follow({"a": up, "b": True}, now)
    assert bond.live == ["a", "b"]


def test_a_member_that_comes_back_waits_unless_it_is_the_only_one() -> None:
    bond = Bond(CONFIG)
    bond.follow({"a": False, "b": True}, 0.0)
    bond.follow(BOTH, 1.0)
    assert bond.live == ["b"]
    bond.follow(BOTH, 2.0)
    assert bond.live == ["b", "a"], "the active one stays"
    alone = Bond(CONFIG)
    alone.follow({}, 0.0)
    assert (alone.active, alone.live) == ("", [])
    alone.follow({"b": True}, 0.1)
    assert alone.live == ["b"]


def test_the_primary_member_is_preferred_and_a_dead_one_cannot_be_chosen() -> None:
    bond = Bond(BundleConfig("bond0", ("a", "b"), primary="b"))
    bond.follow(BOTH, 0.0)
    assert bond.active == "b"
    bond.follow({"a": True}, 1.0)
    assert bond.active == "a"
    assert not bond.activate("b")
    assert bond.activate("a")


def test_ports_that_do_not_work_are_left_out_and_mirrors_without_an_output_too() -> None:
    bundles = (
        BundleConfig("bond0", ("a", "b")),
        BundleConfig("gone", ("x",)),
        BundleConfig("c", ("c",), tag=7),
    )
    mirrors = (
        MirrorConfig("lost", select_all=True, output_port="gone"),
        MirrorConfig("m", sources=("bond0", "gone"), output_port="c"),
        MirrorConfig("v", select_all=True, output_vlan=9),
    )
    told = native(Forwarding(bundles, mirrors), NUMBERS.get, {"bond0": ["b", "a"]})
    assert [(one["members"], one["live"], one["tag"]) for one in told["bundles"]] == [
        ([1, 2], [2, 1], 0),
        ([3], [3], 7),
    ]
    assert [(one["name"], one["select_sources"], one["output_port"]) for one in told["mirrors"]] == [
        ("m", [1, 2], 3),
        ("v", [], None),
    ]
