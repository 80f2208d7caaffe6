"""What differs between a switch, what its agent thinks, and what there should be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tulle.agent.answering import network_of
from tulle.agent.drift import drift

RIGHT = {"table=0": "a", "table=1": "b"}
flows = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz"))


def test_nothing_differs_where_all_three_are_the_same() -> None:
    found = drift(RIGHT, RIGHT, RIGHT)
    assert not found and found.flows == 2


def test_each_difference_is_counted_and_told() -> None:
    found = drift({"table=1": "c", "table=9": "z"}, RIGHT, RIGHT)
    assert (found.missing, found.surplus, found.different, found.stale) == (1, 1, 1, 0)
    assert found.examples == ("missing: table=0", "surplus: table=9", "different: table=1")


def test_an_agent_that_thinks_wrong_is_noticed_even_if_its_switch_is_right() -> None:
    assert drift(RIGHT, {"table=0": "a"}, RIGHT).stale == 1


@given(installed=flows, thought=flows, full=flows)
def test_there_is_no_drift_only_where_all_are_equal(
    installed: dict[str, str], thought: dict[str, str], full: dict[str, str]
) -> None:
    assert bool(drift(installed, thought, full)) == (not installed == thought == full)


def test_owners_belong_to_their_network() -> None:
    owners = {
        "port red/web1": "red",
        "port security red/web1": "red",
        "network red (paused)": "red",
        "unknown address blue/web": "blue",
        "": "",
    }
    assert {owner: network_of(owner) for owner in owners} == owners
