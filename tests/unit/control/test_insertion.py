"""When a chain is in the path, and what does not change where there are none."""

from __future__ import annotations

from msgspec.structs import replace

from tulle.control import allocate, compile_node, in_path
from tulle.encap import encapsulations
from tulle.logical import compile_network
from tulle.values import (
    Appliance,
    Binding,
    Chain,
    Flow,
    Ids,
    LocalPort,
    LogicalPort,
    LogicalSwitch,
    Match,
    Mirror,
    Network,
    Output,
    TunnelInterface,
    pipeline,
)

PORTS = tuple(
    LogicalPort(name, "services" if name.startswith("fw") else "lan", f"02:00:00:00:00:0{at}")
    for at, name in enumerate(("a", "b", "fw-in", "fw-out"))
)
CHAIN = Chain("guard", "to-port", Match("tcp", dport=80), "closed", ("fw",), port="a")
PLAIN = Network("red", (LogicalSwitch("lan"), LogicalSwitch("services")), (), PORTS)
CHAINED = replace(PLAIN, appliances=(Appliance("fw", "fw-in", "fw-out"),), chains=(CHAIN,))
BINDINGS = tuple(Binding("red", port.name, "node1") for port in PORTS)
CHAIN_TABLES = {*range(24, 30), *range(42, 50)}
TUNNELS = (TunnelInterface("node2", "192.0.2.2", "vxlan"),)


def flows(network: Network, dead: tuple[str, ...] = ()) -> list[Flow]:
    ids = allocate((network,), allocate((PLAIN,), Ids()))
    placed = compile_node("node1", (network,), BINDINGS, TUNNELS, ids, encapsulations(), dead=dead)
    return [*placed, *compile_network(network, ids)]


def test_a_network_without_chains_and_mirrors_has_the_flows_that_it_had() -> None:
    assert not any(one.table in CHAIN_TABLES for one in flows(PLAIN))
    assert {one.key for one in flows(PLAIN)} < {one.key for one in flows(CHAINED)}
    assert set(allocate((PLAIN,), Ids()).datapaths) == {"red/lan", "red/services"}


def test_a_chain_waits_until_its_appliances_have_been_heard_of() -> None:
    assert in_path(CHAINED, BINDINGS, set()).chains[0].idle
    assert not in_path(CHAINED, BINDINGS, {("red", "fw")}).chains[0].idle
    assert in_path(CHAINED, BINDINGS, {("blue", "fw")}).chains[0].idle


def test_a_chain_whose_appliance_is_nowhere_waits_for_nobody() -> None:
    assert not in_path(CHAINED, BINDINGS[:3], set()).chains[0].idle


def test_an_idle_chain_stays_idle() -> None:
    idle = replace(CHAINED, chains=(replace(CHAIN, idle=True),))
    assert in_path(idle, BINDINGS, {("red", "fw")}).chains[0].idle


def entries(fail: str, dead: tuple[str, ...]) -> list[Flow]:
    network = replace(CHAINED, chains=(replace(CHAIN, fail=fail),))  # type: ignore[arg-type]
    return [one for one in flows(network, dead) if one.table == pipeline.CHAIN_ENTRY]


def test_a_dead_appliance_is_passed_by_or_ends_the_packet_as_the_chain_says() -> None:
    assert all(isinstance(one.actions[-1], Output) for one in entries("closed", ()))
    closed = entries("closed", ("red/fw",))
    assert [one.actions for one in closed] == [(), ()] and closed[0].owner == "chain red/guard"
    assert all(one.actions and not _outputs(one) for one in entries("open", ("red/fw",)))
    assert len(entries("open", ("blue/fw",))) == 2


def _outputs(one: Flow) -> bool:
    return any(isinstance(action, Output) for action in one.actions)


def test_no_two_flows_of_chains_and_mirrors_have_the_same_key() -> None:
    mirrors = (
        Mirror("m", "both", switch="lan", to="b"),
        Mirror("n", "both", port="a", remote="192.0.2.9", encapsulation="gre"),
    )
    found = flows(replace(CHAINED, mirrors=mirrors))
    assert len({one.key for one in found}) == len(found)


def test_a_mirrored_port_that_is_paused_stays_silent() -> None:
    paused = replace(CHAINED, paused=True, mirrors=(Mirror("m", "both", port="a", to="b"),))
    (ingress,) = [one for one in flows(paused) if ("in_port", LocalPort("red/a")) in _matched(one)]
    assert ingress.actions == ()


def _matched(one: Flow) -> list[tuple[str, object]]:
    return [(match.field, match.value) for match in one.match]
