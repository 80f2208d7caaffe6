"""The agent's rows in a real Open_vSwitch database: only its own are touched."""

from __future__ import annotations

from tulle.agent import interfaces
from tulle.ovsdb import Database, Transaction, schema
from tulle.store import source
from tulle.values import LocalPort, Node, TunnelInterface, TunnelPort

TUNNEL = interfaces.tunnel_interface("node1", "192.0.2.1", TunnelInterface("node2", "192.0.2.2", "stt"))
TAP = interfaces.tap_interface("node1", ("red", "web1"))


def new_database() -> Database:
    database = Database(schema.load("vswitch"))
    txn = Transaction(database.schema)
    txn.insert("Open_vSwitch", {})
    database.transact(txn.operations)
    database.transact(interfaces.write_bridge(database.schema, source(database)).operations)
    return database


def write(database: Database, add: list, remove: list) -> None:
    txn = interfaces.write_interfaces(database.schema, source(database), add, remove)
    database.transact(txn.operations)


def set_column(database: Database, name: str, **columns: object) -> None:
    txn = Transaction(database.schema)
    txn.update("Interface", [("name", "==", name)], columns)
    database.transact(txn.operations)


def test_the_bridge_is_made_once_and_drops_what_no_flow_forwards() -> None:
    database = new_database()
    (bridge,) = database.rows("Bridge").values()
    assert (bridge["fail_mode"], bridge["protocols"]) == ("secure", frozenset({"OpenFlow13"}))
    assert interfaces.write_bridge(database.schema, source(database)).operations == []
    assert interfaces.needs_bridge(source(database)), "the switch has not made it yet"
    txn = Transaction(database.schema)
    txn.update("Bridge", bridge.uuid, {"datapath_id": "0000000000000001"})
    database.transact(txn.operations)
    assert not interfaces.needs_bridge(source(database))


def test_what_was_added_is_present_and_nothing_more_is_to_do() -> None:
    database = new_database()
    write(database, [TUNNEL, TAP], [])
    there = interfaces.present(source(database))
    assert set(there) == {"stt-node2", TAP.name}
    assert interfaces.missing(there, [TUNNEL, TAP]) == []
    assert interfaces.surplus(there, [TUNNEL, TAP]) == []


def test_what_is_not_needed_any_more_goes_and_what_others_made_stays() -> None:
    database = new_database()
    foreign = interfaces.Interface("vnet0", "tap", {}, {"iface-id": "red/vm"})
    write(database, [TUNNEL, foreign], [])
    there = interfaces.present(source(database))
    surplus = interfaces.surplus(there, [])
    assert [one.interface.name for one in surplus] == ["stt-node2"]
    write(database, [], surplus)
    assert set(interfaces.present(source(database))) == {"vnet0"}
    assert interfaces.foreign_ports(interfaces.present(source(database))) == {("red", "vm")}


def test_a_tunnel_whose_peer_moved_is_replaced() -> None:
    database = new_database()
    write(database, [TUNNEL], [])
    moved = interfaces.tunnel_interface("node1", "192.0.2.1", TunnelInterface("node2", "192.0.2.9", "stt"))
    there = interfaces.present(source(database))
    assert [one.interface for one in interfaces.surplus(there, [moved])] == [TUNNEL]


NODE = Node("node1", "192.0.2.1", ("stt",), second_address="198.51.100.1")
DOUBLE = TunnelInterface("node2", "192.0.2.2", "stt", second_address="198.51.100.2")


def test_a_node_with_one_endpoint_has_one_interface_that_nobody_watches() -> None:
    assert interfaces.tunnel_interfaces(NODE, TunnelInterface("node2", "192.0.2.2", "stt")) == [TUNNEL]
    assert TUNNEL.bfd == {}


def test_tunnels_between_two_endpoints_each_are_two_and_are_watched() -> None:
    database = new_database()
    first, second = interfaces.tunnel_interfaces(NODE, DOUBLE)
    assert (first.name, second.name) == ("stt-node2", "stt-node2+2")
    assert (second.options["local_ip"], second.options["remote_ip"]) == ("198.51.100.1", "198.51.100.2")
    assert first.bfd == second.bfd == interfaces.BFD
    write(database, [first, second], [])
    for number, one in ((4, first), (5, second)):
        set_column(database, one.name, ofport=number)
    there = interfaces.present(source(database))
    assert interfaces.surplus(there, [first, second]) == []
    expected = {TunnelPort("node2", "stt"): 4, TunnelPort("node2", "stt", second=True): 5}
    assert interfaces.numbers(there) == expected


def test_a_tunnel_that_gets_a_second_one_beside_it_stays_and_is_watched_from_then_on() -> None:
    database = new_database()
    write(database, [TUNNEL], [])
    desired = interfaces.tunnel_interfaces(NODE, DOUBLE)
    there = interfaces.present(source(database))
    assert interfaces.surplus(there, desired) == []
    database.transact(interfaces.write_health(database.schema, there, desired).operations)
    there = interfaces.present(source(database))
    assert there["stt-node2"].interface == desired[0]
    assert interfaces.write_health(database.schema, there, desired).operations == []
    database.transact(interfaces.write_health(database.schema, there, [TUNNEL]).operations)
    assert interfaces.present(source(database))["stt-node2"].interface == TUNNEL


def test_a_tunnel_that_an_earlier_release_made_is_marked_as_external_where_it_stands() -> None:
    database = new_database()
    write(database, [TUNNEL, TAP], [])
    marked = interfaces.tunnel_interface(
        "node1", "192.0.2.1", TunnelInterface("node2", "192.0.2.2", "stt", external=True)
    )
    desired = [marked, TAP]
    there = interfaces.present(source(database))
    assert interfaces.surplus(there, desired) == []
    database.transact(interfaces.write_marks(database.schema, there, desired).operations)
    there = interfaces.present(source(database))
    assert there["stt-node2"].interface == marked
    assert interfaces.write_marks(database.schema, there, desired).operations == []


def test_a_watched_tunnel_is_received_by_when_one_of_its_ends_hears_the_other() -> None:
    database = new_database()
    first, second = interfaces.tunnel_interfaces(NODE, DOUBLE)
    write(database, [first, second], [])
    for number, one in ((4, first), (5, second)):
        set_column(database, one.name, ofport=number)
    assert interfaces.receiving(interfaces.present(source(database))) == frozenset()
    set_column(database, first.name, bfd_status={"forwarding": "false", "state": "init"})
    assert interfaces.receiving(interfaces.present(source(database))) == frozenset()
    set_column(database, second.name, bfd_status={"forwarding": "true", "state": "up"})
    assert interfaces.receiving(interfaces.present(source(database))) == {("node2", "stt")}


def test_of_two_tunnels_none_is_heard_until_one_of_them_is() -> None:
    database = new_database()
    first, second = interfaces.tunnel_interfaces(NODE, DOUBLE)
    write(database, [first, second], [])
    for number, one in ((4, first), (5, second)):
        set_column(database, one.name, ofport=number)
    assert interfaces.unheard(interfaces.present(source(database))) == {TunnelPort("node2", "stt")}
    set_column(database, second.name, bfd_status={"forwarding": "true", "state": "up"})
    assert interfaces.unheard(interfaces.present(source(database))) == frozenset()


def test_a_node_that_gives_up_its_second_endpoint_speaks_until_the_other_has_stopped_to_listen() -> None:
    database = new_database()
    first, _ = interfaces.tunnel_interfaces(NODE, DOUBLE)
    write(database, [first], [])
    set_column(database, first.name, bfd_status={"forwarding": "true", "state": "up"})

    def is_stopped(doubled: set[str]) -> bool:
        there = interfaces.present(source(database))
        return bool(interfaces.write_health(database.schema, there, [TUNNEL], doubled).operations)

    assert not is_stopped({"node2"})
    assert is_stopped(set())
    set_column(database, first.name, bfd_status={"forwarding": "false", "state": "down"})
    assert is_stopped({"node2"})


def test_a_tunnel_that_nobody_watches_is_received_by_as_soon_as_it_works() -> None:
    database = new_database()
    write(database, [TUNNEL], [])
    assert interfaces.receiving(interfaces.present(source(database))) == frozenset()
    set_column(database, TUNNEL.name, ofport=4)
    assert interfaces.receiving(interfaces.present(source(database))) == {("node2", "stt")}


def test_only_interfaces_that_work_have_numbers() -> None:
    database = new_database()
    write(database, [TUNNEL, TAP], [])
    assert interfaces.numbers(interfaces.present(source(database))) == {}
    set_column(database, TAP.name, ofport=3)
    set_column(database, TUNNEL.name, ofport=-1, error="no route")
    assert interfaces.numbers(interfaces.present(source(database))) == {LocalPort("red/web1"): 3}
    set_column(database, TUNNEL.name, ofport=4, error=None)
    assert interfaces.numbers(interfaces.present(source(database)))[TunnelPort("node2", "stt")] == 4


def test_names_fit_the_kernel_and_differ() -> None:
    long = "a-node-with-a-very-long-name"
    names = [
        interfaces.tunnel_name(TunnelInterface(node, "192.0.2.1", "vxlan"))
        for node in ("node2", "n", "n-2", "n-2-2", long, long + "2")
    ]
    names += [interfaces.second_name(name) for name in names]
    names += [interfaces.tap_name("node1", ("red", f"web{number}")) for number in range(50)]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= 15 for name in names), names


def test_a_port_of_somebody_else_gets_the_mtu_of_its_network_unless_a_user_wants_another() -> None:
    database = new_database()
    names = {"vnet0": "red/vm", "vnet1": "red/other", "vnet2": "blue/vm"}
    foreign = [interfaces.Interface(name, "tap", {}, {"iface-id": port}) for name, port in names.items()]
    write(database, [TUNNEL, TAP, *foreign], [])
    set_column(database, "vnet1", mtu_request=1280)

    def follow(mtu: int) -> dict[str, int | None]:
        there = interfaces.present(source(database))
        database.transact(interfaces.write_mtus(database.schema, there, {"red": mtu}).operations)
        rows = database.rows("Interface").values()
        return {row["name"]: row["mtu_request"] for row in rows if row["mtu_request"] is not None}

    for mtu in (1450, 1450, 1500):
        assert follow(mtu) == {"vnet0": mtu, "vnet1": 1280}
    there = interfaces.present(source(database))
    assert interfaces.write_mtus(database.schema, there, {"red": 1500}).operations == []
    assert interfaces.surplus(there, [TUNNEL, TAP]) == []
    set_column(database, "vnet0", mtu_request=1400)
    assert follow(1450) == {"vnet0": 1400, "vnet1": 1280}
