"""Which server a replica follows: remotes in turn, and what disqualifies a server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tulle.errors import InvalidInput
from tulle.ovsdb.cluster import CLUSTER_BACKOFF_MAX_S, Remotes, Standing
from tulle.ovsdb.table import Row

CLUSTER, OTHER = UUID(int=7), UUID(int=8)


def server(**changed: Any) -> dict[UUID, Row]:
    row = {"name": "Tulle", "model": "clustered", "connected": True, "leader": True}
    return {UUID(int=1): Row({**row, "cid": CLUSTER, "index": 5, **changed})}


def test_remotes_are_tried_in_turn_with_a_pause_after_each_round():
    remotes = Remotes("tcp:a:1, tcp:b:1,tcp:c:1")
    tried = []
    pauses = []
    for _ in range(12):
        tried.append(remotes.current)
        pauses.append(remotes.failed())
    assert tried == ["tcp:a:1", "tcp:b:1", "tcp:c:1"] * 4
    assert [pause > 0 for pause in pauses] == [False, False, True] * 4
    assert pauses[2] < pauses[5] < pauses[-1] <= CLUSTER_BACKOFF_MAX_S


def test_server_that_served_is_left_for_the_next_one_without_a_pause():
    remotes = Remotes("tcp:a:1,tcp:b:1")
    for _ in range(7):
        remotes.failed()
    remotes.served()
    served = remotes.current
    assert remotes.failed() == 0
    assert remotes.current != served


@pytest.mark.parametrize("text", ["", ",", " , "])
def test_empty_list_of_remotes_is_refused(text):
    with pytest.raises(InvalidInput):
        Remotes(text)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (server(), None),
        (server(model="standalone", connected=True, leader=False, cid=None, index=None), None),
        (server(leader=False), "not the leader"),
        (server(connected=False), "not in touch"),
        (server(name="Other"), "does not have the database"),
        ({}, "does not have the database"),
    ],
)
def test_server_is_judged_by_its_row(rows, fault):
    found = Standing("Tulle", leader_only=True).fault(rows)
    assert found is None if fault is None else fault in (found or "")


def test_follower_will_do_where_any_server_is_good_enough():
    assert Standing("Tulle", leader_only=False).fault(server(leader=False)) is None


def test_server_behind_what_was_seen_already_is_stale_unless_its_cluster_is_another():
    standing = Standing("Tulle", leader_only=False)
    assert standing.fault(server(index=9)) is None
    assert "stale" in (standing.fault(server(index=8)) or "")
    assert standing.fault(server(index=9)) is None
    assert standing.fault(server(index=1, cid=OTHER)) is None
