"""Rows of ports on their way: `Move`, which the controller writes, and `Port_State`, which the old node writes."""

from __future__ import annotations

from collections.abc import Iterable

from tulle.values.moving import PortState, Prepared

from .writer import Source, Writer

PortName = tuple[str, str]


def prepared(source: Source) -> dict[PortName, Prepared]:
    """The ports that a node is to have ready, by network and port."""
    rows = (Prepared(row["network"], row["port"], row["source"], row["target"]) for row in source("Move"))
    return {(one.network, one.port): one for one in rows}


def write_prepared(writer: Writer, source: Source, one: Prepared) -> None:
    """Operations by which a port is prepared, in place of what was prepared before."""
    values = {"network": one.network, "port": one.port, "source": one.source, "target": one.target}
    writer.upsert("Move", source("Move"), [values])


def delete_prepared(writer: Writer, source: Source, ports: Iterable[PortName]) -> None:
    """Operations that prepare these ports no more."""
    gone = frozenset(ports)
    for row in source("Move"):
        if (row["network"], row["port"]) in gone:
            writer.delete("Move", row)


def port_states(source: Source) -> tuple[PortState, ...]:
    """What nodes hand on, as far as it is in view."""
    return tuple(
        PortState(
            row["node"],
            row["network"],
            row["port"],
            row["target"],
            row["serial"],
            row["connections"],
            row["problem"],
        )
        for row in source("Port_State")
    )


def write_port_state(writer: Writer, source: Source, one: PortState) -> None:
    """Operations by which a node hands something on."""
    values = {
        "node": one.node,
        "network": one.network,
        "port": one.port,
        "target": one.target,
        "serial": one.serial,
        "connections": one.connections,
        "problem": one.problem,
    }
    writer.upsert("Port_State", source("Port_State"), [values])


def delete_port_states(writer: Writer, source: Source, node: str, kept: Iterable[PortName]) -> None:
    """Operations by which a node takes back what no other node needs any more."""
    wanted = frozenset(kept)
    for row in source("Port_State"):
        if row["node"] == node != row["target"] and (row["network"], row["port"]) not in wanted:
            writer.delete("Port_State", row)


def is_ready(source: Source, port: PortName, node: str) -> bool:
    """Whether a node says that a prepared port waits for nothing there but its first packet."""
    return any(
        row["node"] == row["target"] == node and (row["network"], row["port"]) == port
        for row in source("Port_State")
    )


def write_ready(writer: Writer, source: Source, node: str, ports: Iterable[PortName]) -> None:
    """Operations by which a node says which prepared ports it has ready: these and no others."""
    said = frozenset(ports)
    for row in source("Port_State"):
        if row["node"] == node == row["target"] and (row["network"], row["port"]) not in said:
            writer.delete("Port_State", row)
    for port in sorted(said):
        write_port_state(writer, source, PortState(node, *port, node, 0))
