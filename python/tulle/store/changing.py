"""Operations that make a stored network another one, written only for what differs.

`write_network` of `intent` is the whole; what this writes comes to the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from tulle.logical.differing import differing
from tulle.values import LogicalRouter, Network

from . import insertion, intent, routing
from .translation import balancer_row, nat_rows
from .writer import HasRows, HasTables, Row, Writer

ROWS: Final[dict[str, tuple[str, Callable[[Any], Row]]]] = {
    "Logical_Switch": ("switches", intent.switch_row),
    "Logical_Port": ("ports", intent.port_row),
    "ACL": ("acls", intent.acl_row),
    "Port_Group": ("port_groups", intent.group_row),
    "Address_Set": ("address_sets", intent.set_row),
    "Load_Balancer": ("load_balancers", balancer_row),
    **insertion.ROWS,
}


def write_changed_network(
    writer: Writer,
    database: HasTables,
    old: Network,
    new: Network,
    generation: int,
    numbers: Mapping[str, int] | None = None,
    version: int | None = None,
) -> None:
    """As `write_network`, where the stored network is `old`."""
    root = _row(database.table("Network"), {"name": new.name})
    for table, (name, row_of) in ROWS.items():
        gone, come = differing(getattr(old, name), getattr(new, name))
        _write(writer, database.table(table), table, root, name, gone, come, row_of)
    gone_routers, routers = differing(old.routers, new.routers)

    def router_row(router: LogicalRouter) -> Row:
        rows = [
            {"network": new.name, "router": router.name, **intent.router_port_row(port)}
            for port in router.ports
        ]
        nats = [{"network": new.name, **row} for row in nat_rows(router)]
        policies = [{"network": new.name, **row} for row in routing.policy_rows(router)]
        return {
            "name": router.name,
            "ports": upsert("Router_Port", rows),
            **routing.route_columns(router),
            "nat": upsert("NAT", nats),
            "policies": upsert(routing.TABLE, policies),
        }

    def upsert(table: str, rows: Iterable[Row]) -> frozenset[Any]:
        present = [row for row in database.table(table).rows.values() if row["network"] == new.name]
        return frozenset(writer.upsert(table, present, rows))

    _write(
        writer,
        database.table("Logical_Router"),
        "Logical_Router",
        root,
        "routers",
        gone_routers,
        routers,
        router_row,
    )
    facts: dict[str, Any] = {"generation": generation, **intent.network_columns(new)}
    if numbers is not None:
        facts["numbers"] = dict(numbers)
    if version is not None:
        facts["version"] = version
    writer.update("Network", root, facts)


def _write(
    writer: Writer,
    rows: HasRows,
    table: str,
    root: Row,
    column: str,
    gone: Iterable[Any],
    come: Iterable[Any],
    row_of: Callable[[Any], Row],
) -> None:
    before = {one.name: one for one in gone}
    wanted = {one.name: one for one in come}
    network = root["name"]
    removed = [
        _row(rows, {"network": network, "name": name})["_uuid"] for name in before.keys() - wanted.keys()
    ]
    writer.mutate("Network", root, column, "delete", removed)
    added = []
    for name, one in wanted.items():
        values = {"network": network, **row_of(one)}
        if name in before:
            writer.update(table, _row(rows, values), values)
        else:
            added.append(writer.insert(table, values))
    writer.mutate("Network", root, column, "insert", added)


def _row(rows: HasRows, values: Row) -> Row:
    """The row with these identifying columns, by the table's index where it has one."""
    names = ("network", "name") if "network" in values else ("name",)
    wanted = tuple(values[name] for name in names)
    for columns, index in zip(rows_indexes(rows), getattr(rows, "indexes", ()), strict=False):
        if tuple(columns) == names:
            uuid: UUID = index[wanted]
            return rows.rows[uuid]
    return next(row for row in rows.rows.values() if tuple(row[name] for name in names) == wanted)


def rows_indexes(rows: HasRows) -> Iterable[Iterable[str]]:
    """The columns of each index of a table; none where the rows are a replica's."""
    schema = getattr(rows, "schema", None)
    return getattr(schema, "indexes", ()) if hasattr(rows, "indexes") else ()
