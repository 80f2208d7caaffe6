"""Appliances, chains and mirrors, from rows to values and back; and what nodes say of appliances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tulle.logical import emit_match, parse_match
from tulle.values import Appliance, Chain, Mirror, Network

from .writer import Row, Source, Writer

TABLES: Final = ("Appliance", "Chain", "Mirror")
Place = tuple[str, str, str]
"""Node, network and name of an appliance."""


def rows(network: Network) -> Iterator[tuple[str, str, list[Row]]]:
    """Column of the network, table, and rows of what is in it."""
    for table, (column, row_of) in ROWS.items():
        yield column, table, list(map(row_of, getattr(network, column)))


def values(parts: Mapping[str, list[Row]]) -> dict[str, Any]:
    """What a network has of these, by its fields."""
    return {column: tuple(map(READERS[table], parts[table])) for table, (column, _) in ROWS.items()}


def appliances(source: Source) -> dict[Place, str]:
    """What nodes say of the appliances that they watch: `up` or `down`."""
    return {(row["node"], row["network"], row["name"]): row["state"] for row in source("Appliance")}


def write_appliances(
    writer: Writer, source: Source, node: str, states: Mapping[tuple[str, str], str], kept: Iterable[Place]
) -> None:
    """Operations by which an agent says how its appliances are; rows in `kept` stay as they are."""
    staying = set(kept)
    current = [
        row
        for row in source("Appliance")
        if row["node"] == node and (node, row["network"], row["name"]) not in staying
    ]
    desired = [
        {"node": node, "network": network, "name": name, "state": state}
        for (network, name), state in sorted(states.items())
    ]
    writer.replace("Appliance", current, desired)


def _appliance(row: Row) -> Appliance:
    return Appliance(row["name"], row["inlet"], row["outlet"])


def _mirror(row: Row) -> Mirror:
    return Mirror(**{name: row[name] for name in Mirror.__struct_fields__})


def _chain_row(one: Chain) -> Row:
    return {**_columns(one), "match": emit_match(one.match), "appliances": ",".join(one.appliances)}


def _chain(row: Row) -> Chain:
    made = {name: row[name] for name in Chain.__struct_fields__}
    listed = tuple(name for name in row["appliances"].split(",") if name)
    return Chain(**{**made, "match": parse_match(row["match"]), "appliances": listed})


def _columns(one: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(one)


ROWS: Final[dict[str, tuple[str, Callable[[Any], Row]]]] = {
    "Appliance": ("appliances", _columns),
    "Chain": ("chains", _chain_row),
    "Mirror": ("mirrors", _columns),
}
"""By table: the column of the network, and how a row of it is made."""
READERS: Final[dict[str, Callable[[Row], Any]]] = {
    "Appliance": _appliance,
    "Chain": _chain,
    "Mirror": _mirror,
}
