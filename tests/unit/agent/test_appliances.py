"""Probes tell whether an appliance works, and only those that are its own."""

from __future__ import annotations

from msgspec.structs import replace

from tulle.agent.appliances import (
    ANSWERED_MIN,
    MISSED_MAX,
    ApplianceHealth,
    Watched,
    probe_frame,
    watched_appliances,
)
from tulle.control.insertion import PROBE
from tulle.openflow import PacketIn
from tulle.values import Appliance, Chain, LogicalPort, LogicalSwitch, Match, Network

NAME = ("red", "fw")
INLET, OUTLET = 3, 4
FLOW = (0, 77)


def watching(state: str | None = None, **changed: object) -> ApplianceHealth:
    health = ApplianceHealth()
    before = {} if state is None else {NAME: state}
    health.watch({NAME: replace(Watched(INLET, OUTLET, listens=False), **changed)}, before)
    health.configure({FLOW: PROBE, (0, 78): "reject"})
    return health


def came(frame: bytes, port: int = OUTLET, cookie: int = FLOW[1]) -> PacketIn:
    return PacketIn(port, FLOW[0], cookie, 0, {}, frame)


def round_trip(health: ApplianceHealth) -> bool:
    (probe,), _ = health.tick()
    assert probe.port == INLET
    return health.hear(came(probe.frame))


def test_nothing_is_said_before_a_probe_has_come_through() -> None:
    health = watching()
    health.tick()
    assert health.states == {} and health.dead == frozenset()
    assert round_trip(health)
    assert health.states == {NAME: "up"}


def test_an_appliance_is_down_after_so_many_probes_in_vain() -> None:
    health = watching("up")
    changes = [health.tick()[1] for _ in range(MISSED_MAX + 1)]
    assert changes == [False] * MISSED_MAX + [True]
    assert health.dead == {"red/fw"}


def test_it_is_up_again_only_after_several_probes_in_a_row() -> None:
    health = watching("down")
    assert [round_trip(health) for _ in range(ANSWERED_MIN)] == [False] * (ANSWERED_MIN - 1) + [True]
    assert health.dead == frozenset()


def test_a_late_or_foreign_probe_counts_for_nothing() -> None:
    health = watching()
    (late,), _ = health.tick()
    health.tick()
    assert not health.hear(came(late.frame))
    assert not health.hear(came(probe_frame(("blue", "fw"), 2)))
    assert not health.hear(came(probe_frame(NAME, 2), port=INLET))
    assert health.states == {}
    assert health.hear(came(probe_frame(NAME, 2)))


def test_padding_behind_a_probe_does_not_matter() -> None:
    health = watching()
    (probe,), _ = health.tick()
    assert health.hear(came(probe.frame + bytes(4)))


def test_only_the_flows_of_probes_concern_it() -> None:
    health = watching()
    assert health.concerns(came(b"")) and not health.concerns(came(b"", cookie=78))


def test_without_a_port_or_a_link_it_is_down_at_once_and_nothing_is_sent() -> None:
    for changed in ({"outlet": None}, {"inlet": None}, {"linked": False}):
        health = watching("up", **changed)
        assert health.tick() == ([], True)
        assert health.dead == {"red/fw"}


def test_one_that_listens_works_while_its_port_does() -> None:
    health = watching(None, outlet=None, listens=True)
    assert health.tick() == ([], True)
    assert health.states == {NAME: "up"}
    health.watch({NAME: Watched(None, None, listens=True)}, {})
    health.tick()
    assert health.states == {NAME: "down"}


def test_what_is_not_watched_any_more_is_forgotten() -> None:
    health = watching("down")
    health.watch({}, {NAME: "down"})
    assert health.states == {} and health.tick() == ([], False)


def test_appliances_are_watched_where_both_ports_are_and_while_a_chain_has_them() -> None:
    ports = tuple(LogicalPort(name, "s", "02:00:00:00:00:01") for name in ("in", "out", "web"))
    chain = Chain("guard", "to-port", Match(), "open", ("fw",), port="web")
    both = Appliance("fw", "in", "out"), Appliance("spare", "web")
    network = Network("red", (LogicalSwitch("s"),), (), ports, appliances=both, chains=(chain,))
    numbers = {"red/in": INLET, "red/out": OUTLET}
    served = [("red", "in"), ("red", "out")]
    assert watched_appliances([network], numbers, served, []) == {NAME: Watched(INLET, OUTLET, listens=False)}
    assert watched_appliances([network], numbers, served, [OUTLET])[NAME].linked is False
    assert watched_appliances([network], numbers, served[:1], []) == {}
    assert watched_appliances([replace(network, chains=())], numbers, served, []) == {}
    assert watched_appliances([replace(network, paused=True)], numbers, served, []) == {}
