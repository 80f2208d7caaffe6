"""`tulle node list`, `tunnel list`, `drops`, `counters`: what is so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tulle.errors import NotFound, Unavailable

from .capabilities import meaning
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
        _addresses(one),
        one["encapsulations"],
        prefers,
        _state(one),
        _applied(one["applied"]),
    )


@nodes.command("show")
def show_node(
    context: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Its name.")],
    output: Output = Format.TABLE,
) -> None:
    """Show a node: its state, and what its kernel and the devices of its underlay can do for tunnels.

    tulle node show node1
    """
    found = next((one for one in client(context).nodes() if one["name"] == node), None)
    if found is None:
        raise NotFound(f"no node {node!r}")
    show(found, output, lambda: _draw_node(found))


def _draw_node(node: dict[str, Any]) -> None:
    mtu = "" if node["underlay_mtu"] is None else f", underlay MTU {node['underlay_mtu']}"
    line(f"node {node['name']}, {_state(node)}, {', '.join(_addresses(node))}{mtu}", "bold")
    line(f"speaks {', '.join(node['encapsulations']) or 'nothing'}; applied {_applied(node['applied'])}")
    for network, reason in sorted(node["refused"].items()):
        line(f"network {network or '(each)'} stays as it was, its switch has refused: {reason}", "red")
    rows = [(name, value, meaning(name)) for name, value in sorted(node["capabilities"].items(), key=_place)]
    table(["capability", "", "what it means"], rows, "its switch does not say what it can do")


def _place(capability: tuple[str, str]) -> tuple[bool, str]:
    """The kernel's first, then by device."""
    return "/" in capability[0], capability[0]


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
    sum_up: Annotated[
        bool, typer.Option("--sum", help="Over all nodes: what an object has counted, wherever it was.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """List packets and bytes of ports, rules, switches, routers and networks, by node or over all nodes.

    tulle counters red --sum
    """
    columns: tuple[str, ...] = ("network", "kind", "name", "node", "packets", "bytes")
    found = client(context).counters(network)
    if sum_up:
        columns, found = tuple(name for name in columns if name != "node"), summed(found)
    rows = [[one[name] for name in columns] for one in found]
    show(found, output, lambda: table(columns, rows, "no counters"))


def summed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counters of each object over all nodes."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        names = {name: row[name] for name in ("network", "kind", "name")}
        total = sums.setdefault(
            (row["network"], row["kind"], row["name"]), {**names, "packets": 0, "bytes": 0}
        )
        total["packets"] += row["packets"]
        total["bytes"] += row["bytes"]
    return [sums[key] for key in sorted(sums)]


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _addresses(node: dict[str, Any]) -> list[str]:
    """One for each of its endpoints."""
    return [address for address in (node["address"], node.get("second_address")) if address]


def _state(node: dict[str, Any]) -> str:
    if node["external"]:
        return "external"
    if not node["registered"]:
        return "declared"
    return "connected" if node["connected"] else "silent"


def _applied(generations: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(generations.items())) or "-"
