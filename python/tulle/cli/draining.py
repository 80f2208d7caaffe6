"""`tulle node drain`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .completion import node_names
from .context import DryRun, Message, Timeout, Wait, client
from .output import Format, Output, line, show, table, waiting
from .preferences import node_commands

app = node_commands
Node = Annotated[str, typer.Argument(metavar="NODE", help="The node to empty.", autocompletion=node_names)]
To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="NODE", help="Default: where the fewest ports are.", autocompletion=node_names
    ),
]


@app.command("drain")
def drain(
    context: typer.Context,
    node: Node,
    to: To = None,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 60.0,
    output: Output = Format.TABLE,
) -> None:
    """Move all ports away from a node, and say which could not be moved (exit status 1).

    tulle node drain node3 --dry-run
    """
    answer = client(context).drain(node, to=to, dry_run=dry_run, message=message)
    if wait and answer["generations"] and not dry_run:
        with waiting("waiting until the ports are where they are to be"):
            client(context).wait(answer["generations"], timeout)
    show(answer, output, lambda: _draw(node, answer))
    if any(one["to"] is None for one in answer["moves"]):
        raise typer.Exit(1)


def _draw(node: str, answer: dict[str, Any]) -> None:
    rows = [(one["network"], one["port"], one["to"] or "stays", one["reason"]) for one in answer["moves"]]
    table(["network", "port", "to", "why not"], rows, f"{node} has no ports")
    if answer["dry_run"]:
        line("nothing was changed: this was a dry run")
