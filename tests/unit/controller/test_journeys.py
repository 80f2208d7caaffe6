"""The ways of packets, put together of what nodes saw by clocks that differ."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tulle.controller.clocks import Clock, clock
from tulle.controller.journeys import journeys
from tulle.controller.live import ending

ENTERED = {"p": {"says": "tcp 10.0.0.1:1 > 10.0.0.2:80 SYN seq 1"}}
Sighting = dict[str, Any]


def at_port(at: int, port: str, out: bool = False, digest: str = "p") -> Sighting:
    return {"digest": digest, "at_ns": at, "out": out, "port": port}


def in_tunnel(at: int, source: str, target: str, out: bool, digest: str = "p") -> Sighting:
    way = {"source": source, "target": target, "encapsulation": "stt"}
    return {"digest": digest, "at_ns": at, "out": out, **way}


def places(journey: dict[str, Any]) -> list[str]:
    return [f"{hop['node']} {hop.get('port') or 'tunnel ' + hop['tunnel']}" for hop in journey["hops"]]


def test_hops_are_in_the_order_of_the_way_whatever_the_clocks_say() -> None:
    seen = {
        "n1": [
            at_port(1000, "web1", out=True),
            in_tunnel(1010, "n1", "n2", out=True),
            in_tunnel(1500, "n2", "n1", out=False),
            in_tunnel(1510, "n1", "n3", out=True),
        ],
        "n2": [in_tunnel(5, "n1", "n2", out=False), in_tunnel(9, "n2", "n1", out=True)],
        "n3": [at_port(99_999, "db1"), in_tunnel(99_990, "n1", "n3", out=False)],
    }
    (found,) = journeys("n1", "web1", ENTERED, seen)
    assert places(found) == [
        "n1 web1",
        "n1 tunnel n2",
        "n2 tunnel n1",
        "n2 tunnel n1",
        "n1 tunnel n2",
        "n1 tunnel n3",
        "n3 tunnel n1",
        "n3 db1",
    ]
    assert found["delivered"] == ["db1"] and found["times"] == 1
    assert [hop["after_ns"] for hop in found["hops"][:2]] == [0, 10]
    assert found["hops"][-1]["after_ns"] is None and found["hops"][-1]["here_ns"] == 9
    # It came back from n2, which bounds that node's clock.
    assert found["hops"][2]["within_ns"] == (5 - 1010 + 1500 - 9) // 2


def test_packets_come_in_the_order_in_which_they_entered_and_one_sent_again_says_so() -> None:
    entered = {"b": {"says": "b"}, "a": {"says": "a"}, "never": {"says": "never"}}
    seen = {
        "n1": [
            at_port(20, "web1", out=True, digest="b"),
            at_port(10, "web1", out=True, digest="a"),
            at_port(30, "web1", out=True, digest="a"),
            at_port(31, "web2", digest="a"),
        ]
    }
    found = journeys("n1", "web1", entered, seen)
    assert [(one["packet"], one["times"], one["delivered"]) for one in found] == [
        ("a", 2, ["web2"]),
        ("b", 1, []),
    ]


@given(
    ahead=st.integers(-(10**12), 10**12),
    there=st.lists(st.integers(0, 10**6), max_size=5),
    back=st.lists(st.integers(0, 10**6), max_size=5),
)
def test_the_true_difference_of_clocks_is_within_the_bounds(
    ahead: int, there: list[int], back: list[int]
) -> None:
    seen: dict[str, list[Sighting]] = {"a": [], "b": []}
    for number, delay in enumerate(there):
        seen["a"].append(in_tunnel(number, "a", "b", True, f"there{number}"))
        seen["b"].append(in_tunnel(number + delay + ahead, "a", "b", False, f"there{number}"))
    for number, delay in enumerate(back):
        seen["b"].append(in_tunnel(number + ahead, "b", "a", True, f"back{number}"))
        seen["a"].append(in_tunnel(number + delay, "b", "a", False, f"back{number}"))
    found = clock("a", "b", seen)
    assert (found is None) == (not there or not back)
    if found is not None:
        assert abs(ahead - found.ahead_ns) <= found.within_ns
        assert found.within_ns <= (min(there) + min(back) + 1) // 2


def test_a_clock_that_was_set_meanwhile_and_packets_seen_twice_tell_nothing() -> None:
    there = [in_tunnel(100, "a", "b", True)], [in_tunnel(0, "a", "b", False)]
    back = [in_tunnel(5, "b", "a", True, "q")], [in_tunnel(10, "b", "a", False, "q")]
    assert clock("a", "b", {"a": there[0] + back[1], "b": there[1] + back[0]}) is None
    twice = {"a": there[0] * 2 + back[1], "b": [in_tunnel(101, "a", "b", False), *back[0]]}
    assert clock("a", "b", twice) is None
    once = {"a": there[0] + back[1], "b": [in_tunnel(101, "a", "b", False), *back[0]]}
    assert clock("a", "b", once) == Clock(-2, 3)


def journey(*hops: dict[str, Any], delivered: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"hops": list(hops), "delivered": list(delivered)}


PORT = {"node": "n1", "port": "web1", "out": True}
TUNNEL = {"node": "n1", "tunnel": "n2", "out": True}
DROP = {"table": 40, "priority": 9, "match": "", "actions": "drop", "owner": "acl red/no-ssh"}


def test_what_was_seen_counts_and_the_switches_say_why_not() -> None:
    dropped = {"halves": [{"node": "n1", "outputs": [{"node": "n2"}]}, {"node": "n2", "steps": [DROP]}]}
    dropped["halves"][1]["drops"] = ["dropped-by-flow"]  # type: ignore[assignment]
    assert ending(journey(PORT, delivered=("db1",)), dropped)["end"] == "delivered"
    found = ending(journey(PORT, TUNNEL), dropped)
    assert (found["end"], found["rule"], found["at"]) == (
        "dropped",
        "acl red/no-ssh",
        {"node": "n2", "table": 40},
    )
    assert found["said"] == "dropped at n2 by acl red/no-ssh, table 40: dropped-by-flow"


def test_a_packet_that_should_have_arrived_is_lost_and_one_that_left_has_left() -> None:
    arriving = {"halves": [{"node": "n1", "outputs": [{"port": "red/db1"}]}]}
    found = ending(journey(PORT), arriving)
    assert found["end"] == "lost" and "by the flows as they are now it would arrive" in found["said"]
    assert ending(journey(PORT, TUNNEL), arriving, {"n2"})["end"] == "left"
    failed = ending(journey(PORT, TUNNEL), {"failed": "node n1 did not answer"})
    assert failed["said"] == "last seen at n1, the tunnel with n2; node n1 did not answer"


def test_a_copy_for_a_mirror_is_no_arrival() -> None:
    copied = {"node": "n1", "steps": [DROP], "outputs": [{"node": "n2"}], "drops": ["dropped-by-flow"]}
    assert ending(journey(PORT), {"halves": [copied]})["end"] == "dropped"
    punted = {"node": "n1", "steps": [], "punts": ["reject"]}
    assert ending(journey(PORT), {"halves": [punted]})["end"] == "answered"
