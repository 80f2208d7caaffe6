"""A row takes the place of another one of its name in one update, and the insertion is told of before the deletion.

The network lost the port that was there, in the controller and in every agent.
"""

from __future__ import annotations

from tulle import store
from tulle.ovsdb import Change, Database
from tulle.ovsdb.schema import load
from tulle.store import Networks, Writer, source
from tulle.values import LogicalPort, LogicalSwitch, Network

PORT = LogicalPort("web1", "web", "02:00:00:00:00:01", ("10.0.1.11",))
NETWORK = Network("red", (LogicalSwitch("web", ("10.0.1.0/24",)),), ports=(PORT,))


def test_a_row_that_takes_the_place_of_another_one_stays() -> None:
    database = Database(load("tulle"))
    writer = Writer(database.schema)
    store.write_network(writer, source(database), NETWORK, 1)
    database.transact(writer.operations)
    networks = Networks(source(database))
    assert networks.networks()["red"].network == NETWORK
    (row,) = database.rows("Logical_Port").values()
    uuid = row["_uuid"]
    networks.note([Change("Logical_Port", uuid, None, row), Change("Logical_Port", uuid, row, None)])
    assert networks.networks()["red"].network == NETWORK
