"""What `tulle chain` says of a chain, from what is declared and what nodes have said."""

from __future__ import annotations

from typing import Any

import pytest

from tulle.cli.chains import chain_state


def appliances(*states: str) -> list[dict[str, Any]]:
    return [{"name": f"fw{at}", "state": state} for at, state in enumerate(states, 1)]


@pytest.mark.parametrize(
    ("chain", "states", "said"),
    [
        ({"fail": "open", "idle": True}, ("up",), "idle"),
        ({"fail": "open"}, ("up", "up"), "in the path"),
        ({"fail": "closed"}, ("not heard of", "down"), "waits for fw1"),
        ({"fail": "closed"}, ("up", "down"), "closed: fw2 is down"),
        ({"fail": "open"}, ("down", "not bound"), "open: past fw1, fw2"),
    ],
)
def test_the_state_of_a_chain_says_where_its_packets_go(
    chain: dict[str, Any], states: tuple[str, ...], said: str
) -> None:
    assert chain_state(chain, appliances(*states)) == said
