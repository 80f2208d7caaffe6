"""Which node needs what."""

from __future__ import annotations

from pathlib import Path

from tulle.control import attachments, placement, requested_bindings
from tulle.logical import parse_file
from tulle.values import Binding

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml"
NETWORKS = parse_file(EXAMPLE.read_text(), EXAMPLE.name).networks


def test_a_node_without_ports_of_a_network_is_not_bothered_with_it() -> None:
    bindings = [Binding("red", "web1", "n1"), Binding("red", "web2", "n2"), Binding("blue", "web1", "n2")]
    first = placement("n1", NETWORKS, bindings)
    assert [network.name for network in first.networks] == ["red"]
    assert first.remotes == ("n2",)
    assert Binding("blue", "web1", "n2") not in first.bindings
    idle = placement("n3", NETWORKS, bindings)
    assert (idle.networks, idle.remotes, idle.bindings) == ((), (), ())


def test_a_port_that_asks_for_an_unknown_node_stays_unbound() -> None:
    bound = requested_bindings(NETWORKS, ["node1", "node3"])
    assert {binding.node for binding in bound} == {"node1", "node3"}
    assert len(bound) == 6


def test_a_workload_gets_its_prefixes_and_gateways() -> None:
    bindings = requested_bindings(NETWORKS, ["node1", "node2", "node3"])
    found = {one.port: one for one in attachments("node3", NETWORKS, bindings, {"red": 1450, "blue": 1400})}
    assert sorted(found) == ["blue/web3", "red/web3"]
    web = found["red/web3"]
    assert web.addresses == ("10.0.1.13/24", "fd00:1::13/64")
    assert web.gateways == ("10.0.1.1", "fd00:1::1")
    assert (web.namespace, web.interface, web.mtu) == ("red-web3", "tap", 1450)
