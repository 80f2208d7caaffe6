"""What the doctor says of a deployment."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tulle.controller.doctor import Examined, findings
from tulle.errors import Unavailable

HEALTHY = {"flows": 3, "missing": 0, "surplus": 0, "different": 0, "stale": 0, "examples": [], "repaired": 0}
NODE = {
    "name": "node1",
    "external": False,
    "registered": True,
    "connected": True,
    "ignored": "",
    "refused": {},
    "underlay_mtu": 1500,
}
ANSWER: dict[str, Any] = {
    "version": "1",
    "time_s": 100.5,
    "drift": HEALTHY,
    "paths": {"192.0.2.2": ""},
    "unattached": {},
    "pending": [],
}
TUNNEL = {"local": "node1", "remote": "node2", "encapsulation": "stt", "coming": None, "reason": ""}
WELL = Examined([{"name": "red"}], [], [NODE], [TUNNEL], [], {"node1": ANSWER}, 100.0, 101.0, "1")


def said(seen: Examined) -> list[str]:
    return [f"{one.level} {one.about}: {one.says}" for one in findings(seen) if one.level != "ok"]


def test_a_healthy_deployment_has_no_complaint() -> None:
    assert said(WELL) == []
    assert "ok node node1: 3 flows are as they should be, 1 ways work" in [
        f"{one.level} {one.about}: {one.says}" for one in findings(WELL)
    ]


def test_nodes_that_are_silent_or_never_came_are_errors() -> None:
    silent, absent = {**NODE, "connected": False}, {**NODE, "name": "node2", "registered": False}
    first, second = said(replace(WELL, nodes=[silent, absent], answers={}))
    assert first.startswith("error node node1: its agent is silent")
    assert second == "error node node2: is declared, but its agent has never come"


def test_a_network_that_a_switch_has_refused_is_named_with_the_node() -> None:
    (only,) = said(replace(WELL, nodes=[{**NODE, "refused": {"red": "add table=3: BadOutGroup"}}]))
    assert only.startswith("error node node1: its switch has refused what network red should have")
    assert only.endswith("BadOutGroup")


def test_an_external_node_has_no_agent_that_could_be_missed() -> None:
    assert said(replace(WELL, nodes=[{**NODE, "external": True, "registered": False}], answers={})) == []


def test_a_clock_is_compared_with_the_time_that_the_question_took() -> None:
    late, early = {**ANSWER, "time_s": 105.0}, {**ANSWER, "time_s": 90.0}
    assert said(replace(WELL, answers={"node1": late}))[0].endswith("clock is +4.0 s off the controller's")
    assert said(replace(WELL, answers={"node1": early}))[0].endswith("clock is -10.0 s off the controller's")


def test_flows_that_were_wrong_are_an_error_now_and_a_warning_later() -> None:
    wrong = {**ANSWER, "drift": {**HEALTHY, "missing": 2, "repaired": 1}}
    assert "mended: 2 missing" in said(replace(WELL, answers={"node1": wrong}))[0]
    later = {**ANSWER, "drift": {**HEALTHY, "repaired": 1}}
    assert said(replace(WELL, answers={"node1": later}))[0].startswith("warning node node1")


def test_what_a_node_cannot_do_is_told() -> None:
    bad = {
        **ANSWER,
        "version": "0",
        "paths": {"192.0.2.2": "does not answer a ping"},
        "unattached": {"red/web": "no network namespace x"},
        "pending": ["blue"],
    }
    told = said(replace(WELL, answers={"node1": bad}))
    for words in (
        "runs release 0",
        "192.0.2.2: does not answer",
        "red/web is not attached",
        "numbers of blue",
    ):
        assert any(words in one for one in told), told


def test_a_node_that_does_not_answer_is_an_error() -> None:
    told = said(replace(WELL, answers={"node1": Unavailable("node node1 did not answer within 15 s")}))
    assert told == ["error node node1: could not be checked: node node1 did not answer within 15 s"]


def test_pairs_without_a_tunnel_and_other_mtus_are_told() -> None:
    none = {**TUNNEL, "encapsulation": None, "reason": "they speak nothing in common"}
    told = said(replace(WELL, tunnels=[none], nodes=[NODE, {**NODE, "name": "n2", "underlay_mtu": 9000}]))
    assert told[0] == "error tunnel node1 to node2: there is none: they speak nothing in common"
    assert "n2 9000, node1 1500" in told[1]
