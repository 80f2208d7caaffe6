"""Rows of `Tulle` and `Tulle_State` to values and back, on real databases in memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tulle import store
from tulle.errors import ProtocolError
from tulle.ovsdb import Database
from tulle.ovsdb.schema import load
from tulle.store import TraceOutput, TraceRequest, TraceResult, TraceStep, Writer
from tulle.values import (
    Acl,
    Binding,
    Dhcp,
    Dns,
    Ids,
    LogicalPort,
    LogicalRouter,
    LogicalSwitch,
    Match,
    Network,
    Node,
    NodeReport,
    RouterPort,
    StaticRoute,
    Tunnel,
    Unreachable,
)

NETWORK = Network(
    "red",
    (LogicalSwitch("web", ("fd00:1::/64", "10.0.1.0/24")), LogicalSwitch("db", ("10.0.2.0/24",))),
    (
        LogicalRouter(
            "core",
            (
                RouterPort("core-web", "web", "02:00:00:00:01:01", ("10.0.1.1/24", "fd00:1::1/64")),
                RouterPort("core-db", "db", "02:00:00:00:02:01", ("10.0.2.1/24",)),
            ),
            (StaticRoute("0.0.0.0/0", "10.0.2.9"),),
        ),
    ),
    (
        LogicalPort("web1", "web", "02:00:00:00:01:11", ("10.0.1.11", "fd00:1::11"), "node1", "red-web1"),
        LogicalPort("db1", "db", "02:00:00:00:02:11", ("10.0.2.11",)),
    ),
    (
        Acl("no-ssh", "to-port", 100, Match("tcp", dport=22), "drop", switch="db"),
        Acl("web-only", "from-port", 10, Match("udp", dst="10.0.2.0/24"), "allow", port="web1"),
    ),
)


def intent() -> Database:
    return Database(load("tulle"))


def state() -> Database:
    return Database(load("tulle_state"))


def commit(database: Database, fill: Callable[[Writer], None]) -> int:
    writer = Writer(database.schema)
    fill(writer)
    database.transact(writer.operations)
    return len(writer.operations)


def put(database: Database, network: Network, generation: int = 1) -> int:
    return commit(database, lambda w: store.write_network(w, store.source(database), network, generation))


def test_network_comes_back_as_it_was_written_in_canonical_order():
    database = intent()
    put(database, NETWORK, 7)
    stored = store.networks(store.source(database))["red"]
    assert stored.network == store.canonical(NETWORK)
    assert stored.generation == 7
    assert stored.network.switches[1].subnets == ("10.0.1.0/24", "fd00:1::/64")


def test_services_come_back_as_they_were_written():
    database = intent()
    dhcp = Dhcp(600, ("10.0.2.53", "fd00::53"), "db.internal", (StaticRoute("10.7.0.0/16", "10.0.2.9"),))
    [web, db] = NETWORK.switches
    [core] = NETWORK.routers
    advertised = tuple(replace(port, ra="slaac") if port.name == "core-web" else port for port in core.ports)
    made = replace(
        NETWORK,
        switches=(web, replace(db, dhcp=dhcp)),
        routers=(replace(core, ports=advertised),),
        ports=(replace(NETWORK.ports[1], configure="dhcp"),),
        acls=(),
        dns=Dns(),
    )
    put(database, made)
    assert store.networks(store.source(database))["red"].network == store.canonical(made)
    assert put(database, made) == 0
    put(database, replace(NETWORK, forwarding="dual"))
    assert store.networks(store.source(database))["red"].network == store.canonical(NETWORK)


def test_rows_without_the_columns_of_services_are_as_before_there_were_any():
    database = intent()
    put(database, NETWORK)
    empty = {"Network": {"forwarding": ""}, "Router_Port": {"ra": ""}, "Logical_Port": {"configure": ""}}
    for table, columns in empty.items():
        database.transact([{"op": "update", "table": table, "where": [], "row": columns}])
    assert store.networks(store.source(database))["red"].network == store.canonical(NETWORK)


def test_writing_the_same_network_again_writes_nothing():
    database = intent()
    put(database, NETWORK)
    assert put(database, NETWORK) == 0


def test_rows_that_stay_keep_their_uuids_and_rows_that_go_are_collected():
    database = intent()
    put(database, NETWORK)
    before = {row["name"]: row.uuid for row in database.rows("Logical_Port").values()}
    put(database, Network("red", NETWORK.switches, NETWORK.routers, NETWORK.ports[:1]), 2)
    after = {row["name"]: row.uuid for row in database.rows("Logical_Port").values()}
    assert after == {"web1": before["web1"]}
    assert not database.rows("ACL")


def test_networks_of_one_shape_live_beside_each_other():
    database = intent()
    put(database, NETWORK)
    put(database, Network("blue", *(getattr(NETWORK, name) for name in NETWORK.__struct_fields__[1:])))
    found = store.networks(store.source(database))
    assert found["blue"].network.ports == found["red"].network.ports


def test_deleting_a_network_leaves_no_row_of_it():
    database = intent()
    put(database, NETWORK)
    commit(database, lambda w: store.delete_network(w, store.source(database), "red"))
    assert {name: len(table.rows) for name, table in database.tables.items() if table.rows} == {}


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("ACL", {"match": "tcp,dport=no"}),
        ("Logical_Port", {"addresses": "nonsense"}),
        ("Logical_Port", {"mac": ""}),
        ("Logical_Switch", {"subnets": "10.0.1.0/99"}),
        ("Router_Port", {"switch": "gone"}),
        ("Logical_Router", {"routes": ["map", [["x", "y"]]]}),
    ],
)
def test_network_that_a_foreign_client_spoils_is_left_out_and_named(table, row):
    database = intent()
    put(database, NETWORK)
    put(database, Network("blue", NETWORK.switches))
    database.transact([{"op": "update", "table": table, "where": [["network", "==", "red"]], "row": row}])
    problems: dict[str, Exception] = {}
    found = store.networks(store.source(database), lambda name, error: problems.update({name: error}))
    assert set(found) == {"blue"}
    assert set(problems) == {"red"}


def test_nodes_of_both_databases_come_back():
    one, two = intent(), state()
    gateway = Node("gateway", "172.31.0.9", ("vxlan",), external=True)
    node = Node("node1", "172.31.0.1", ("stt", "vxlan"))
    commit(one, lambda w: store.write_declared_nodes(w, store.source(one), [gateway]))
    commit(two, lambda w: store.write_node(w, store.source(two), node, {"red": 3}))
    assert store.declared_nodes(store.source(one)) == {"gateway": gateway}
    assert store.nodes(store.source(two)) == {"node1": node}
    assert store.applied(store.source(two)) == {"node1": {"red": 3}}


def test_registering_again_keeps_the_applied_generations():
    database = state()
    rows = store.source(database)
    commit(database, lambda w: store.write_node(w, rows, Node("node1", "172.31.0.1", ("stt",)), {"red": 3}))
    commit(database, lambda w: store.write_node(w, rows, Node("node1", "172.31.0.7", ("vxlan",))))
    assert store.applied(rows) == {"node1": {"red": 3}}
    assert store.nodes(rows)["node1"].address == "172.31.0.7"


def test_what_a_node_reports_comes_back_and_stays_when_it_registers_again():
    database = state()
    rows = store.source(database)
    node, report = Node("node1", "172.31.0.1", ("stt",)), NodeReport(1400, {"packet-ring": "yes"})
    commit(database, lambda w: store.write_node(w, rows, node))
    assert store.reports(rows) == {}
    commit(database, lambda w: store.write_node(w, rows, node, {}, report))
    commit(database, lambda w: store.write_node(w, rows, node, {"red": 1}))
    assert store.reports(rows) == {"node1": report}


def test_external_nodes_are_replaced_and_those_with_an_agent_stay():
    database = state()
    rows = store.source(database)
    commit(database, lambda w: store.write_node(w, rows, Node("node1", "172.31.0.1", ("stt",)), {}))
    for name in ("old", "new"):
        external = [Node(name, "172.31.0.9", ("vxlan",), True), Node("node1", "172.31.0.8", ("vxlan",), True)]
        commit(database, lambda w, external=external: store.write_external_nodes(w, rows, external))
    assert set(store.nodes(rows)) == {"node1", "new"}
    assert store.nodes(rows)["node1"].encapsulations == ("stt",)


def test_tunnels_numbers_and_bindings_come_back():
    database = state()
    rows = store.source(database)
    tunnels = (Tunnel("node1", "node2", "stt"), Unreachable("node1", "node3", "nothing in common"))
    numbers = Ids({"red/core": 2, "red/web": 1}, {"red/web/web1": 1, "red/web/core-web": 2})
    commit(database, lambda w: store.write_tunnels(w, rows, tunnels))
    commit(database, lambda w: store.write_ids(w, rows, numbers, ["red/core"]))
    commit(database, lambda w: store.write_binding(w, rows, Binding("red", "web1", "node1"), "t1"))
    commit(database, lambda w: store.write_binding(w, rows, Binding("red", "web1", "node2"), "t1"))
    assert store.tunnels(rows) == tunnels
    assert store.ids(rows) == numbers
    assert store.bindings(rows) == (Binding("red", "web1", "node2"),)
    kinds = {row["name"]: row["kind"] for row in rows("Datapath")}
    assert kinds == {"core": "router", "web": "switch"}


def test_numbers_may_swap_within_one_transaction():
    database = state()
    rows = store.source(database)
    for numbers in ({"red/a": 1, "red/b": 2}, {"red/a": 2, "red/b": 1}):
        commit(database, lambda w, numbers=numbers: store.write_ids(w, rows, Ids(numbers), ()))
    assert store.ids(rows).datapaths == {"red/a": 2, "red/b": 1}


def test_heartbeat_changes_the_node():
    database = state()
    rows = store.source(database)
    commit(database, lambda w: store.write_node(w, rows, Node("node1", "172.31.0.1", ("stt",)), {}))
    for _ in range(2):
        assert commit(database, lambda w: store.write_heartbeat(w, rows, "node1")) == 1
    assert [row["heartbeat"] for row in rows("Node")] == [2]


def test_trace_request_reaches_its_node_only_and_is_answered_once():
    database = state()
    rows = store.source(database)
    context = (7 << 24) | (3 << 56)
    request = TraceRequest(
        "t1", "node1", b"\x01\x02", tunnel_id=context, tunnel_src="1.1.1.1", tunnel_dst="2.2.2.2"
    )
    commit(database, lambda w: store.write_trace_request(w, request))
    assert store.trace_requests(rows, "node1") == (request,)
    assert store.trace_requests(rows, "node2") == ()
    result = TraceResult((TraceStep(0, 100, "in_port=1", "resubmit(,10)"),), (TraceOutput("red/web1"),))
    commit(database, lambda w: store.write_trace_result(w, rows, "t1", result))
    assert store.trace_requests(rows, "node1") == ()
    assert [store.trace_result(row) for row in rows("Trace")] == [result]


@pytest.mark.parametrize("columns", [{"frame": "xy"}, {"frame": "00", "tunnel_id": "seven"}])
def test_trace_request_that_makes_no_sense_is_left_out(columns):
    database = state()
    row = {"id": "t1", "node": "node1", "status": "requested", **columns}
    database.transact([{"op": "insert", "table": "Trace", "row": row}])
    assert store.trace_requests(store.source(database), "node1") == ()


def test_trace_answer_that_is_no_result_is_a_protocol_error():
    with pytest.raises(ProtocolError, match="node1"):
        store.trace_result({"node": "node1", "status": "done", "result": '{"steps": 5}'})


@pytest.mark.parametrize("name", ["tulle", "tulle_state"])
def test_every_root_table_has_an_index_that_never_changes(name):
    schema = load(name)
    for table in schema.tables.values():
        fixed = [
            index for index in table.indexes if not any(table.columns[column].mutable for column in index)
        ]
        assert fixed, f"{table.name} has no index of immutable columns: {table.indexes}"
