"""What a node says into its physical networks of ports that have come to it."""

from __future__ import annotations

from tulle.agent.joined import announcements, joined_networks
from tulle.control.localnets import Physical
from tulle.values import Binding, Ids, LogicalPort, LogicalSwitch, Network

NETWORK = Network(
    "red",
    (LogicalSwitch("floor"), LogicalSwitch("lan")),
    ports=(
        LogicalPort("desk", "floor", "02:00:00:00:00:01"),
        LogicalPort("vm", "lan", "02:00:00:00:00:02"),
        LogicalPort("wall", "floor", "02:00:00:00:00:03", localnet="campus"),
    ),
)
BINDINGS = (Binding("red", "desk", "node1"), Binding("red", "vm", "node1"))
IDS = Ids({"red/floor": 5, "red/lan": 6}, {"red/floor/desk": 1, "red/floor/wall": 2, "red/lan/vm": 1})
PORTS = {("red", "desk"), ("red", "vm")}


def test_what_has_come_to_a_joined_switch_is_announced_there() -> None:
    joined = joined_networks("node1", [NETWORK], BINDINGS, Physical({"node1": {"campus"}}))
    (said,) = announcements(PORTS, joined, IDS, {})
    assert said.frame[:14].hex(":") == "ff:ff:ff:ff:ff:ff:02:00:00:00:00:01:80:35" and len(said.frame) == 60
    assert said.actions == "set_field:0x5->metadata,set_field:0x2->reg15,resubmit(,41)"
    assert list(announcements([], joined, IDS, {})) == []


def test_a_node_without_the_physical_network_announces_nothing() -> None:
    for physical in (Physical(), Physical({"node2": {"campus"}})):
        joined = joined_networks("node1", [NETWORK], BINDINGS, physical)
        assert list(announcements(PORTS, joined, IDS, {})) == []
