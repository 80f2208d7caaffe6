"""The role "agent" of the database Tulle_State: what the certificate of a node lets its agent change.

An agent changes the rows of its own node.  Bindings are the exception: a port that moves is claimed by the node
that it moves to, so any agent may claim and release one.  In `Tulle`, what users want, it may change nothing: that
database has a table RBAC_Role, and no role in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tulle.ovsdb.builder import Transaction
from tulle.ovsdb.schema import DatabaseSchema

ROLE = "agent"
Shown = Mapping[str, Any]
_OF_NODE = {
    "address",
    "second_address",
    "encapsulations",
    "external",
    "applied",
    "heartbeat",
    "underlay_mtu",
    "capabilities",
    "prepared",
    "refused",
    "stamped",
    "physical",
}
# table: (column that holds the node's name, whether rows may come and go, columns that may change)
_PERMISSIONS: dict[str, tuple[str, bool, set[str]]] = {
    "Node": ("name", True, _OF_NODE),
    "Appliance": ("node", True, {"state"}),
    "Binding": ("", True, {"node", "interface"}),
    "Backend": ("node", True, {"up"}),
    "Counter": ("node", True, {"packets", "bytes", "past_packets", "past_bytes"}),
    "Drop": ("node", True, {"packets"}),
    "Total": ("node", True, {"packets", "bytes", "past_packets", "past_bytes"}),
    "Membership": ("node", True, {"ports"}),
    "Speaker": ("", True, {"node"}),
    "Port_State": ("node", True, {"target", "serial", "connections", "problem"}),
    "Tunnel_End": ("node", True, {"generation", "receives", "sends"}),
    "Question": ("node", False, {"status", "answer"}),
    "Trace": ("node", False, {"status", "result"}),
}


def has_agent_role(roles: Mapping[UUID, Shown], permissions: Mapping[UUID, Shown]) -> bool:
    """Whether the rows of RBAC_Role and RBAC_Permission are what `write_agent_role` makes of them."""
    named: Mapping[str, UUID] = next(
        (row["permissions"] for row in roles.values() if row["name"] == ROLE), {}
    )
    found = {table: permissions[uuid] for table, uuid in named.items() if uuid in permissions}
    return {table: _permission(row) for table, row in found.items()} == _PERMISSIONS


def _permission(row: Shown) -> tuple[str, bool, set[str]]:
    return ",".join(row["authorization"]), row["insert_delete"], set(row["update"])


def write_agent_role(schema: DatabaseSchema) -> list[Any]:
    """The operations that make the role what it is to be; `schema` is that of Tulle_State."""
    txn = Transaction(schema)
    txn.delete("RBAC_Role", [("name", "==", ROLE)])
    txn.delete("RBAC_Permission", [("role", "==", ROLE)])
    permissions = {}
    for table, (authorization, insert_delete, update) in _PERMISSIONS.items():
        row = {"authorization": {authorization}, "insert_delete": insert_delete, "update": update}
        permissions[table] = txn.insert("RBAC_Permission", {"role": ROLE, "table": table, **row})
    txn.insert("RBAC_Role", {"name": ROLE, "permissions": permissions})
    return txn.operations
