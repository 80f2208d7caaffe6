"""Connections of ports that move: what is handed on when, and what a port waits for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from tulle.agent import handing
from tulle.agent.handing import AFTERWARDS_S, AGAIN_S, PATIENCE_S, Handing
from tulle.agent.view import PortName, View
from tulle.errors import Unavailable
from tulle.store import StoredNetwork
from tulle.values import (
    Acl,
    Ids,
    LocalPort,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Match,
    Nat,
    Network,
    Node,
    Tunnel,
    Zone,
)
from tulle.values.moving import PortState

ME, OTHER, THIRD = "node1", "node2", "node3"
WEB: PortName = ("red", "web")
TEXT = orjson.dumps({"version": 1, "connections": ["orig=9"]}).decode()
PORTS = {LocalPort("red/web"): 9}
ZONES = {**PORTS, Zone("red/web"): 40000}
RULE = Acl("open", "to-port", 1, Match("ip"), "allow-related", switch="lan")


class Switch:
    """A switch's control socket: notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.refuses = False

    async def call(self, _path: Path, *words: str) -> str:
        if self.refuses:
            raise Unavailable("no such command")
        self.asked.append(words)
        if words[0] == "tulle/ct-import":
            return "{}"
        return orjson.dumps({"version": 1, "connections": [f"orig={words[2]}"]}).decode()


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Switch:
    made = Switch()
    monkeypatch.setattr(handing, "call", made.call)
    return made


def view(bound: str, *acls: Any, tunnels: tuple[Tunnel, ...] = ()) -> View:
    port = LogicalPort("web", "lan", "02:00:00:00:00:01", node=ME)
    network = Network("red", (LogicalSwitch("lan"),), ports=(port,), acls=acls)
    nodes = {name: Node(name, "192.0.2.1", ("stt",)) for name in (ME, OTHER, THIRD)}
    bindings = {WEB: bound, ("red", "db"): THIRD}
    return View({"red": StoredNetwork(network, 1)}, nodes, tunnels, bindings, Ids())


def given(one: Handing, departing: dict[PortName, str], gone: set[PortName], now: float) -> list[PortState]:
    return asyncio.run(one.give(departing, gone, PORTS, now))


def test_connections_are_handed_on_at_once_and_again_after_the_port_has_gone(switch: Switch) -> None:
    one = Handing(ME, Path("x"))
    (first,) = given(one, {WEB: OTHER}, set(), 10.0)
    assert (first.node, first.target, first.connections) == (ME, OTHER, TEXT)
    assert switch.asked[0][:3] == ("tulle/ct-export", "br-int", "9")
    assert given(one, {WEB: OTHER}, set(), 10.1) == []
    assert given(one, {WEB: OTHER}, set(), 10.1 + AGAIN_S)[0].serial > first.serial
    turns = [given(one, {WEB: OTHER}, {WEB}, 20.0 + wait) for wait in AFTERWARDS_S]
    assert all(len(turn) == 1 for turn in turns)
    assert given(one, {WEB: OTHER}, {WEB}, 30.0) == []
    assert one.next_end() is None


def test_a_switch_that_cannot_says_so(switch: Switch) -> None:
    switch.refuses = True
    one = Handing(ME, Path("x"))
    (first,) = given(one, {WEB: OTHER}, set(), 10.0)
    assert first.connections == "" and "no such command" in first.problem
    assert given(one, {WEB: OTHER}, set(), 10.0 + 2 * AGAIN_S) == [], "once is enough"


def test_what_has_come_is_taken_once_and_only_for_this_node(switch: Switch) -> None:
    one = Handing(ME, Path("x"))
    states = [PortState(OTHER, *WEB, ME, 1, TEXT), PortState(OTHER, *WEB, THIRD, 2, TEXT)]
    asyncio.run(one.take(states, {}))
    assert switch.asked == [], "the port has no number yet"
    for _ in range(2):
        asyncio.run(one.take(states, PORTS))
    assert [words[0] for words in switch.asked] == ["tulle/ct-import"]
    asyncio.run(one.take([PortState(OTHER, *WEB, ME, 3, TEXT)], PORTS))
    assert len(switch.asked) == 2
    asyncio.run(one.take([PortState(ME, *WEB, ME, 0)], PORTS))
    assert len(switch.asked) == 2, "that it is ready here is no connection"


@pytest.mark.usefixtures("switch")
def test_a_port_with_connections_waits_for_them_but_not_for_ever() -> None:
    one, stateful = Handing(ME, Path("x")), view(OTHER, RULE)
    assert one.waiting(stateful, {WEB}, {WEB}, (), 1.0) == {WEB}
    assert one.waiting(stateful, {WEB}, {WEB}, (), 1.0 + PATIENCE_S) == frozenset()
    asyncio.run(one.take([PortState(OTHER, *WEB, ME, 1, TEXT)], PORTS))
    assert one.waiting(stateful, {WEB}, {WEB}, (), 1.0) == frozenset()
    assert Handing(ME, Path("x")).waiting(view(OTHER), {WEB}, {WEB}, (), 1.0) == frozenset(), "no such rules"
    assert Handing(ME, Path("x")).waiting(view(ME, RULE), {WEB}, {WEB}, (), 1.0) == frozenset(), "it is here"


@pytest.mark.usefixtures("switch")
def test_a_port_waits_until_the_nodes_of_its_network_have_a_tunnel_to_it() -> None:
    one = Handing(ME, Path("x"))
    joined = view(OTHER, tunnels=(Tunnel(ME, OTHER, "stt"), Tunnel(ME, THIRD, "stt")))
    assert one.waiting(joined, {WEB}, {WEB}, {OTHER}, 1.0) == {WEB}
    assert one.waiting(joined, {WEB}, {WEB}, {OTHER, THIRD}, 1.0) == frozenset()


def test_translations_go_along_and_into_the_zone_that_the_port_has_there(switch: Switch) -> None:
    old, new = Handing(OTHER, Path("x")), Handing(ME, Path("x"))
    (first,) = asyncio.run(old.give({WEB: ME}, set(), ZONES, 10.0))
    assert [words[2] for words in switch.asked] == ["9", "40000"]
    switch.asked.clear()
    asyncio.run(new.take([first], {LocalPort("red/web"): 3}))
    asyncio.run(new.take([first], {LocalPort("red/web"): 3, Zone("red/web"): 50000}))
    asyncio.run(new.take([first], {LocalPort("red/web"): 3, Zone("red/web"): 50000}))
    asked = [(zone, orjson.loads(text)["connections"]) for _, _, zone, _, text in switch.asked]
    assert asked == [("3", ["orig=9"]), ("50000", ["orig=40000"])]
    assert [orjson.loads(words[4]).keys() for words in switch.asked] == [{"version", "connections"}] * 2


def test_what_a_node_without_translations_hands_on_is_taken_as_it_is(switch: Switch) -> None:
    one = Handing(ME, Path("x"))
    asyncio.run(one.take([PortState(OTHER, *WEB, ME, 1, TEXT)], ZONES))
    assert [(words[2], words[4]) for words in switch.asked] == [("9", TEXT)]


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"version": 1}', '"connections"'])
def test_what_is_no_text_of_connections_is_not_taken(switch: Switch, text: str) -> None:
    asyncio.run(Handing(ME, Path("x")).take([PortState(OTHER, *WEB, ME, 1, text)], ZONES))
    assert switch.asked == []


@pytest.mark.usefixtures("switch")
def test_a_port_of_a_network_that_translates_waits_for_both() -> None:
    one, plain = Handing(ME, Path("x")), view(OTHER)
    stored = plain.networks["red"].network
    router = LogicalRouter("edge", (), nat=(Nat("all", "snat", "198.51.100.1", "10.0.0.0/24"),))
    network = msgspec.structs.replace(stored, routers=(router,))
    translating = msgspec.structs.replace(plain, networks={"red": StoredNetwork(network, 1)})
    assert one.waiting(translating, {WEB}, {WEB}, (), 1.0) == {WEB}
    asyncio.run(one.take([PortState(OTHER, *WEB, ME, 1, TEXT)], PORTS))
    assert one.waiting(translating, {WEB}, {WEB}, (), 1.0) == {WEB}, "its zone is not there yet"
    asyncio.run(one.take([PortState(OTHER, *WEB, ME, 1, TEXT)], ZONES))
    assert one.waiting(translating, {WEB}, {WEB}, (), 1.0) == frozenset()
