"""Rows of the Open_vSwitch database and the way from one to those that it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

Row = Mapping[str, Any]
Tables = Mapping[str, Mapping[UUID, Row]]

TABLES = (
    "Open_vSwitch",
    "Bridge",
    "Port",
    "Interface",
    "Controller",
    "SSL",
    "Mirror",
    "QoS",
    "Queue",
    "Flow_Table",
    "NetFlow",
    "sFlow",
    "IPFIX",
    "Flow_Sample_Collector_Set",
)
"""What the configuration is made from."""


def referenced(tables: Tables, uuids: Iterable[UUID] | UUID | None, table: str) -> Iterator[Row]:
    """The rows that a column refers to, in order of their names or ids, so that a plan is always the same."""
    if uuids is None:
        return
    wanted = [uuids] if isinstance(uuids, UUID) else sorted(uuids)
    rows = tables.get(table, {})
    yield from (rows[uuid] for uuid in wanted if uuid in rows)


def members(tables: Tables, table: str, column: str, target: str) -> Iterator[Row]:
    """All rows that any row of a table refers to by a column."""
    for row in tables[table].values():
        yield from referenced(tables, row[column], target)


def interfaces(tables: Tables, bridge: Row) -> Iterator[Row]:
    """The Interface rows of a bridge."""
    for port in referenced(tables, bridge["ports"], "Port"):
        yield from referenced(tables, port["interfaces"], "Interface")


def is_true(row: Row, key: str, column: str = "other_config") -> bool:
    """A boolean in a map of strings, false where it is absent or nonsense."""
    return str(row[column].get(key, "")).lower() == "true"


def integer(row: Row, key: str, default: int, lowest: int, highest: int) -> int:
    """A number in `other_config`, the default where it is absent or out of bounds."""
    try:
        number = int(row["other_config"].get(key, default))
    except ValueError:
        return default
    return number if lowest <= number <= highest else default
