"""Random placements against the plain truth: who shares a switch or router is reached, nobody else."""

from __future__ import annotations

import pytest
from fabric import Fabric, packet, ports_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tulle.control import compile_node
from tulle.encap import encapsulations
from tulle.errors import NotFound
from tulle.logical import compile_network, parse_file
from tulle.values import Binding, Ids, LabFile, Network, Node

NODES = ("n0", "n1", "n2")


def network_text(name: str, places: list[tuple[int, int]], joined: list[int]) -> str:
    """A network with one port for each (switch, node), and one router on the joined switches."""
    switches = ", ".join(
        f'{{name: s{at}, subnets: [10.{at}.0.0/24, "fd00:{at + 1}::/64"]}}' for at in range(3)
    )
    legs = ", ".join(
        f'{{switch: s{at}, addresses: [10.{at}.0.1/24, "fd00:{at + 1}::1/64"]}}' for at in joined
    )
    ports = ", ".join(
        f'{{name: p{at}, switch: s{switch}, node: n{node}, mac: "02:00:00:00:00:{at:02x}", '
        f'addresses: [10.{switch}.0.{at + 10}, "fd00:{switch + 1}::{at + 10:x}"]}}'
        for at, (switch, node) in enumerate(places)
    )
    routers = f"[{{name: core, ports: [{legs}]}}]"
    return f"  - {{name: {name}, switches: [{switches}], routers: {routers}, ports: [{ports}]}}\n"


def expected(network: Network, source: int, target: int) -> list[str]:
    """Who should get a packet from one port to the address of another."""
    one, other = network.ports[source], network.ports[target]
    joined = {port.switch for port in network.routers[0].ports}
    reachable = one.switch == other.switch or {one.switch, other.switch} <= joined
    return [f"{network.name}/{other.name}"] if reachable and source != target else []


def send(fabric: Fabric, network: Network, source: int, target: int, version: int) -> list[str]:
    """Who gets it, sent the way a host would: to its neighbour, or else to its router."""
    one, other = network.ports[source], network.ports[target]
    gates = {port.switch: port.mac for port in network.routers[0].ports}
    next_hop = other.mac if one.switch == other.switch else gates.get(one.switch, "02:00:00:00:ff:ff")
    at = 0 if version == 4 else 1
    names = ("nw_src", "nw_dst") if version == 4 else ("ipv6_src", "ipv6_dst")
    sent = packet(
        dl_src=one.mac,
        dl_dst=next_hop,
        dl_type=0x0800 if version == 4 else 0x86DD,
        nw_proto=17,
        nw_ttl=64,
        **{names[0]: one.addresses[at], names[1]: other.addresses[at]},
    )
    return ports_of(fabric.send(f"{network.name}/{one.name}", sent).delivered)


PLACES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=5)
SPEAKS = st.sampled_from((("stt", "vxlan"), ("vxlan", "stt"), ("vxlan",)))


@settings(max_examples=40, deadline=None)
@given(PLACES, PLACES, st.lists(st.integers(0, 2), unique=True), st.lists(SPEAKS, min_size=3, max_size=3))
def test_whoever_shares_a_switch_or_router_is_reached_and_nobody_else(
    red: list[tuple[int, int]], blue: list[tuple[int, int]], joined: list[int], speaks: list[tuple[str, ...]]
) -> None:
    text = "networks:\n" + network_text("red", red, joined) + network_text("blue", blue, joined)
    nodes = tuple(Node(name, f"192.0.2.{at}", speaks[at]) for at, name in enumerate(NODES))
    networks = parse_file(text, "random.yaml", NODES).networks
    fabric = Fabric(LabFile(networks, nodes))
    for network in networks:
        for source in range(len(network.ports)):
            for target in range(len(network.ports)):
                for version in (4, 6):
                    got = send(fabric, network, source, target, version)
                    assert got == expected(network, source, target), (text, network.name, source, target)


def test_a_missing_number_is_said_rather_than_compiled_around() -> None:
    (network,) = parse_file("networks:\n" + network_text("red", [(0, 0)], [0]), "x").networks
    with pytest.raises(NotFound, match="no number is allocated for red/s0"):
        compile_network(network, Ids())
    with pytest.raises(NotFound, match="no number is allocated for red/s0"):
        compile_node("n0", [network], [Binding("red", "p0", "n0")], [], Ids(), encapsulations())
