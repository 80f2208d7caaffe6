"""`tulle flows`: what the switches have, with the object that each flow stands for."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .completion import network_names
from .context import client
from .output import Format, Output, line, show, table, waiting
from .trace import STAGES

Document = dict[str, Any]


def flows(
    context: typer.Context,
    network: Annotated[
        str | None, typer.Argument(metavar="[NETWORK]", help="Default: all.", autocompletion=network_names)
    ] = None,
    node: Annotated[str | None, typer.Option("--node", help="Only those of one node.")] = None,
    about: Annotated[
        str | None, typer.Option("--about", help="Only those of objects with this in their name.")
    ] = None,
    counted: Annotated[bool, typer.Option("--counted", help="Only those that packets have met.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """List the flows that are installed, by node and table, with what they have counted.

    tulle flows shop --node node1 --about no-back-door
    """
    with waiting("asking the nodes"):
        found = client(context).flows(network, node)
    found["flows"] = [
        one
        for one in found["flows"]
        if (about is None or about in one["object"]) and (one["packets"] or not counted)
    ]
    show(found, output, lambda: _draw(found))


def _draw(found: Document) -> None:
    heads = ["node", "stage", "flow", "actions", "of", "packets"]
    table(heads, [_cells(one) for one in sorted(found["flows"], key=_place)], "no flows")
    if found["left_out"]:
        line(f"{found['left_out']} more are not shown; name a node", "yellow")
    for name, said in sorted(found["silent"].items()):
        line(f"{name}: {said}", "red")


def _cells(one: Document) -> tuple[object, ...]:
    stage = STAGES.get(_table(one), "")
    return one["node"], stage, one["flow"], one["actions"], one["object"], one["packets"]


def _place(one: Document) -> tuple[str, int, str]:
    return one["node"], _table(one), one["flow"]


def _table(one: Document) -> int:
    words = dict(part.partition("=")[::2] for part in one["flow"].split(","))
    return int(words.get("table", 0))
