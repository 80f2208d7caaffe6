"""The management plane: OVSDB (RFC 7047), server and client.

A database in memory, or in a file that survives kill -9, used without sockets:

    database = Database(schema.load("vswitch"))
    with Storage(Path("conf.db"), schema.load("vswitch")) as storage:
        database = storage.database
        txn = Transaction(database.schema)
        row = txn.insert("Open_vSwitch", {"external_ids": {"system-id": "node1"}})
        results = database.transact(txn.operations)        # on disk when this returns; raises OvsdbError
        uuid = txn.uuid(row, results)
        database.rows("Open_vSwitch")[uuid]["external_ids"]  # {"system-id": "node1"}
        end = database.subscribe(lambda changes: ...)      # list of Change(table, uuid, old, new) per commit

Served to others (while served, write with `database.transact` as before):

        async with Server([database]) as server:
            await server.listen("punix:/run/tulle/db.sock")

A client that follows a database, reconnects by itself and writes:

    async with Replica("unix:/run/tulle/db.sock", "Open_vSwitch", ["Bridge", "Port"]) as replica:
        bridge = await replica.wait_until(lambda: replica.table("Bridge").find(name="br0"))
        end = replica.subscribe(lambda events: ...)        # RowInserted, RowUpdated, RowDeleted
        txn = replica.transaction()
        txn.update("Bridge", bridge.uuid, {"stp_enable": False})
        await replica.transact(txn)

Column values are str, int, float, bool, UUID; None for an empty optional; frozenset for sets; dict for maps.
The core (schema, execution, integrity, rbac, monitor, service, log) does no I/O; `server` with `connection`,
`endpoint` and `configured`, `client`, `replica`, `storage` and `tls` are the edges.  `command` is the process
`tulle ovsdb-server`, `unixctl` the control socket of all processes.
"""

from tulle.ovsdb.builder import Transaction
from tulle.ovsdb.client import Client
from tulle.ovsdb.database import Database
from tulle.ovsdb.datum import NamedUuid
from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.events import RowDeleted, RowEvent, RowInserted, RowUpdated, row_event
from tulle.ovsdb.replica import Replica
from tulle.ovsdb.schema import DatabaseSchema
from tulle.ovsdb.server import Server
from tulle.ovsdb.storage import Storage
from tulle.ovsdb.table import Change, Row

__all__ = [
    "Change",
    "Client",
    "Database",
    "DatabaseSchema",
    "NamedUuid",
    "OvsdbError",
    "Replica",
    "Row",
    "RowDeleted",
    "RowEvent",
    "RowInserted",
    "RowUpdated",
    "Server",
    "Storage",
    "Transaction",
    "row_event",
]
