"""Role-based access control as ovsdb-server(5) "RBAC" and ovn-architecture(7) have it.

A database whose schema has tables RBAC_Role and RBAC_Permission restricts clients that come in a role: the role
is that of the remote, the client's name is the common name of its certificate.  Reading is never restricted, and
neither is a client without a role.  Rows that a transaction changes only as a consequence (garbage collection,
weak references) need no permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tulle.ovsdb.errors import OvsdbError
from tulle.ovsdb.table import Row, Table

ROLE_TABLE = "RBAC_Role"
PERMISSION_TABLE = "RBAC_Permission"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client is: the role of its remote ("" is none), and its name if a certificate proves one."""

    role: str = ""
    client: str | None = None
    read_only: bool = False

    @property
    def restricted(self) -> bool:
        """Whether there is anything that this client may not do."""
        return bool(self.role) or self.read_only


ANYBODY = Identity()


@dataclass(slots=True)
class Guard:
    """Judges what one transaction does to `tables`; every method raises "permission error" for a refusal.

    The permissions are those from before the transaction.
    """

    identity: Identity
    tables: Mapping[str, Table]
    _permissions: dict[str, Row | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.identity.role and ROLE_TABLE in self.tables:
            self._permissions = role_permissions(self.tables, self.identity.role)

    def write(self, operation: str) -> None:
        """Refuse every writing operation of a read-only client."""
        if self.identity.read_only:
            raise OvsdbError("not allowed", f"{operation} came from a client that may only read")

    def insert(self, table: Table, row: Row) -> None:
        """May this new row be there?"""
        self._change_rows("insert", table, row)

    def delete(self, table: Table, row: Row) -> None:
        """May this row go?"""
        self._change_rows("delete", table, row)

    def update(self, table: Table, row: Row, columns: Iterable[str]) -> None:
        """May these columns of this row change?"""
        if not self._applies:
            return
        permission = self._permission("update", table)
        if not _owns(permission, self.identity.client, row):
            raise self._refusal("update", table)
        if forbidden := sorted(set(columns) - (permission.get("update") or frozenset())):
            raise self._refusal("update", table, f"columns {', '.join(forbidden)}")

    @property
    def _applies(self) -> bool:
        return bool(self.identity.role) and ROLE_TABLE in self.tables

    def _change_rows(self, verb: str, table: Table, row: Row) -> None:
        if not self._applies:
            return
        permission = self._permission(verb, table)
        if not permission.get("insert_delete") or not _owns(permission, self.identity.client, row):
            raise self._refusal(verb, table)

    def _permission(self, verb: str, table: Table) -> Row:
        found = self._permissions.get(table.schema.name)
        if self.identity.client is None or found is None:
            raise self._refusal(verb, table)
        return found

    def _refusal(self, verb: str, table: Table, what: str = "this row") -> OvsdbError:
        who = self.identity.client or "without a certificate"
        return OvsdbError(
            "permission error",
            f"client {who} in role {self.identity.role} may not {verb} {what} of table {table.schema.name}",
        )


def role_permissions(tables: Mapping[str, Table], role: str) -> dict[str, Row | None]:
    """The permission row of each table that a role names; empty for a role that is not there."""
    permissions: Mapping[UUID, Row] = tables[PERMISSION_TABLE].rows if PERMISSION_TABLE in tables else {}
    for row in tables[ROLE_TABLE].rows.values():
        if row.get("name") == role:
            named = row.get("permissions")
            return {table: permissions.get(uuid) for table, uuid in named.items()} if named else {}
    return {}


def _owns(permission: Row, client: str | None, row: Row) -> bool:
    return any(_proves(place, client, row) for place in permission.get("authorization") or ())


def _proves(place: str, client: str | None, row: Row) -> bool:
    """`place` names a column, or COLUMN:KEY of a map; an empty one lets everybody."""
    if not place:
        return True
    column, _, key = place.partition(":")
    value = row.get(column)
    if isinstance(value, dict):
        return client is not None and value.get(key) == client
    return value == client or (isinstance(value, frozenset) and client in value)
