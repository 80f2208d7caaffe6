"""The role "agent" of the database Tulle_State: what the certificate of a node lets its agent change.

An agent changes the rows of its own node.  Bindings are the exception: a port that moves is claimed by the node
that it moves to, so any agent may claim and release one.
"""

from __future__ import annotations

from typing import Any

from tulle.ovsdb.builder import Transaction
from tulle.ovsdb.schema import DatabaseSchema

ROLE = "agent"
# table: (column that holds the node's name, whether rows may come and go, columns that may change)
_PERMISSIONS: dict[str, tuple[str, bool, set[str]]] = {
    "Node": ("name", True, {"address", "encapsulations", "external", "applied", "heartbeat"}),
    "Binding": ("", True, {"node", "interface"}),
    "Counter": ("node", True, {"packets", "bytes"}),
    "Drop": ("node", True, {"packets"}),
    "Trace": ("node", False, {"status", "result"}),
}


def write_agent_role(schema: DatabaseSchema) -> list[Any]:
    """The operations that put the role into a database that lacks it; `schema` is that of Tulle_State."""
    txn = Transaction(schema)
    permissions = {}
    for table, (authorization, insert_delete, update) in _PERMISSIONS.items():
        row = {"authorization": {authorization}, "insert_delete": insert_delete, "update": update}
        permissions[table] = txn.insert("RBAC_Permission", {"role": ROLE, "table": table, **row})
    txn.insert("RBAC_Role", {"name": ROLE, "permissions": permissions})
    return txn.operations
