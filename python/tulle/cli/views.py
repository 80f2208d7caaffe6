"""`tulle node list`, `tunnel list`, `drops`, `counters`: what is so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tulle.errors import Unavailable

from .context import client
from .output import Format, Output, line, show, table

nodes = typer.Typer(no_args_is_help=True, help="Hypervisors and external endpoints.")
tunnels = typer.Typer(no_args_is_help=True, help="What joins the nodes.")


@nodes.command("list")
def list_nodes(context: typer.Context, output: Output = Format.TABLE) -> None:
    """List the nodes, what they speak, and the generations of networks that they have applied."""
    found = client(context).nodes()
    show(found, output, lambda: _draw_nodes(found))


def _draw_nodes(found: list[dict[str, Any]]) -> None:
    heads = ["node", "address", "speaks", "prefers", "state", "applied"]
    table(heads, [_node_cells(one) for one in found], "no nodes")
    for one in found:
        if one["ignored"]:
            line(f"{one['name']} as its agent says, since it was {one['ignored']}", "yellow")


def _node_cells(one: dict[str, Any]) -> tuple[object, ...]:
    prefers = one["prefers"] if one["prefers"] != one["encapsulations"] else "as it speaks"
    return (
        one["name"],
        one["address"],
        one["encapsulations"],
        prefers,
        _state(one),
        _applied(one["applied"]),
    )


@nodes.command("forget")
def forget_node(
    context: typer.Context, node: Annotated[str, typer.Argument(metavar="NODE", help="Its name.")]
) -> None:
    """Remove a node that will not come back; no port may ask for it."""
    client(context).forget_node(node)
    line(f"forgot {node}")


@tunnels.command("list")
def list_tunnels(context: typer.Context, output: Output = Format.TABLE) -> None:
    """List the tunnels: what each pair of nodes uses and why, and what networks with an order of their own use.

    `coming` is what takes the place of the encapsulation as soon as both ends are ready.
    """
    found = client(context).tunnels()
    columns = ("local", "remote", "network", "encapsulation", "coming", "reason")
    heads = ("between", "and", "network", *columns[3:])
    rows = [[one[name] or "-" for name in columns] for one in found]
    show(found, output, lambda: table(heads, rows, "no tunnels"))


def drops(
    context: typer.Context,
    node: Annotated[str | None, typer.Option("--node", help="Only those of one node.")] = None,
    switch: Annotated[
        Path | None,
        typer.Option(
            "--switch", help="Ask the switch in this directory itself, with no controller: by port and table."
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """List why packets were not forwarded, with what decided it and how many.

    tulle drops --switch /run/tulle/vswitch
    """
    if switch is not None:
        _show_switch_drops(switch, output)
        return
    found = client(context).drops(node)
    rows = [
        (one["node"], one["reason"], one["object"], _number(one["table"]), one["packets"]) for one in found
    ]
    show(found, output, lambda: table(["node", "reason", "by", "table", "packets"], rows, "no drops"))


def _show_switch_drops(directory: Path, output: Format) -> None:
    from tulle.ovsdb import unixctl

    try:
        found = orjson.loads(asyncio.run(unixctl.call(directory / "vswitchd.ctl", "drops/show", "json")))
    except OSError as error:
        raise Unavailable(f"no switch answers in {directory}: {error.strerror or error}") from error
    rows = [
        (
            one["bridge"],
            one["reason"],
            one["name"] or one["port"],
            _number(one["table"]),
            one["packets"],
        )
        for one in found
    ]
    columns = ["bridge", "reason", "port", "table", "packets"]
    show(found, output, lambda: table(columns, rows, "no drops"))


def counters(
    context: typer.Context,
    network: Annotated[str | None, typer.Argument(metavar="[NETWORK]", help="Default: all.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List packets and bytes of ports and ACLs, by node."""
    columns = ("network", "kind", "name", "node", "packets", "bytes")
    found = client(context).counters(network)
    rows = [[one[name] for name in columns] for one in found]
    show(found, output, lambda: table(columns, rows, "no counters"))


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _state(node: dict[str, Any]) -> str:
    if node["external"]:
        return "external"
    if not node["registered"]:
        return "declared"
    return "connected" if node["connected"] else "silent"


def _applied(generations: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(generations.items())) or "-"
