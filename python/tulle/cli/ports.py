"""`tulle port …`: logical ports and where they are."""

from __future__ import annotations

from typing import Annotated

import typer

from .completion import node_names, port_names
from .context import DryRun, Message, NetworkName, Timeout, Wait, client, finish_change
from .output import Format, Output, show, table

app = typer.Typer(no_args_is_help=True, help="Logical ports, where workloads plug in.")
COLUMNS = ("network", "name", "switch", "mac", "addresses", "node", "bound", "namespace")


@app.command("list")
def list_ports(
    context: typer.Context,
    network: Annotated[str | None, typer.Argument(metavar="[NETWORK]", help="Default: all.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List ports: the node asked for, and the node where each is bound."""
    found = client(context).ports(network)
    rows = [[one[name] for name in COLUMNS] for one in found]
    heads = ["port" if name == "name" else name for name in COLUMNS]
    show(found, output, lambda: table(heads, rows, "no ports"))


@app.command("move")
def move(
    context: typer.Context,
    network: NetworkName,
    port: Annotated[
        str,
        typer.Argument(metavar="PORT", help="The name of a port of that network.", autocompletion=port_names),
    ],
    node: Annotated[
        str, typer.Argument(metavar="NODE", help="Where it is to go.", autocompletion=node_names)
    ],
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Move a port to another node; it keeps its addresses and its traffic.

    tulle port move red web1 node3
    """
    answer = client(context).move_port(network, port, node, dry_run=dry_run, message=message)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout)
