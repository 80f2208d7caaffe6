"""What flows and the switch counted, by the names of logical objects."""

from __future__ import annotations

from tulle.agent import counters
from tulle.agent.tally import Tally, write_tally
from tulle.openflow import DumpedFlow
from tulle.ovsdb import Database, schema
from tulle.store import Writer, source

OWNERS = {1: "port red/web1", 2: "acl red/no-ssh", 3: "unknown destination red/web"}


def flow(text: str, packets: int) -> DumpedFlow:
    return DumpedFlow(text, packets, packets * 100, 1.0)


FLOWS = [
    flow("cookie=0x1,table=0,priority=100,in_port=1 actions=resubmit(,10)", 5),
    flow("cookie=0x1,table=41,priority=100,reg15=0x1 actions=output:1", 3),
    flow("cookie=0x1,table=30,priority=100,reg15=0x1 actions=resubmit(,40)", 100),
    flow("cookie=0x2,table=40,priority=9,tcp,tcp_dst=22 actions=drop", 2),
    flow("cookie=0x2,table=40,priority=9,tcp6,tcp_dst=22 actions=drop", 1),
    flow("cookie=0x3,table=12,priority=0 actions=drop", 0),
    flow("table=9,priority=0 actions=drop", 4),
]


def test_flows_of_one_acl_or_port_are_summed_under_its_name() -> None:
    assert counters.flow_counters(FLOWS, OWNERS) == {
        ("red", "port", "web1"): (8, 800),
        ("red", "acl", "no-ssh"): (3, 300),
    }


def test_drops_name_the_acl_or_what_the_flow_stands_for() -> None:
    assert counters.flow_drops(FLOWS, OWNERS) == {("acl", "red/no-ssh", 40): 3, ("flow", "", 9): 4}


def test_what_a_network_does_not_speak_is_a_reason_of_its_own() -> None:
    dropped = flow("cookie=0x7,table=10,priority=65535,ipv6,metadata=0x1 actions=drop", 6)
    assert counters.flow_drops([dropped], {7: "forwarding red/web"}) == {("forwarding", "red/web", 10): 6}


def test_drops_of_the_switch_name_the_port_and_leave_out_what_flows_explain() -> None:
    drops = [
        {"reason": "no-match", "port": 1, "table": 12, "packets": 2},
        {"reason": "no-match", "port": 1, "table": 30, "packets": 3},
        {"reason": "ttl-expired", "port": None, "packets": 1},
        {"reason": "dropped-by-flow", "port": 1, "packets": 9},
    ]
    found = counters.switch_drops(drops, {1: "red/web1"})
    assert found == {
        ("no-match", "red/web1", 12): 2,
        ("no-match", "red/web1", 30): 3,
        ("ttl-expired", "", None): 1,
    }


def test_only_differences_are_written_and_other_nodes_are_left_alone() -> None:
    database = Database(schema.load("tulle_state"))

    def write(node: str, drops: dict[counters.Place, int], flows: list[DumpedFlow]) -> int:
        writer, tally = Writer(database.schema), Tally()
        tally.note(flows, OWNERS)
        counters.write_drops(writer, source(database), node, drops)
        write_tally(writer, source(database), node, tally)
        database.transact(writer.operations)
        return len(writer.operations)

    flows = [flow("cookie=0x2,table=40,priority=9,tcp,tcp_dst=22 actions=drop", 1)]
    assert write("node1", {("acl", "red/no-ssh", 40): 1}, flows) == 3, "of the drop, its rule and its network"
    assert write("node2", {("acl", "red/no-ssh", None): 5}, []) == 1
    assert write("node1", {("acl", "red/no-ssh", 40): 1}, flows) == 0
    assert write("node1", {}, []) == 3
    assert [row["node"] for row in database.rows("Drop").values()] == ["node2"]
