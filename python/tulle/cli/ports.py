"""`tulle port …`: logical ports and where they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tulle.errors import InvalidInput

from .completion import node_names, port_names
from .context import DryRun, Message, NetworkName, Timeout, Wait, client, finish_change
from .output import Format, Output, line, show, table
from .policies import qos_rows

app = typer.Typer(no_args_is_help=True, help="Logical ports, where workloads plug in.")
PortName = Annotated[
    str, typer.Argument(metavar="PORT", help="The name of a port of that network.", autocompletion=port_names)
]
COLUMNS = ("network", "name", "switch", "mac", "addresses", "node", "bound", "prepared", "namespace")


@app.command("list")
def list_ports(
    context: typer.Context,
    network: Annotated[str | None, typer.Argument(metavar="[NETWORK]", help="Default: all.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List ports: the node asked for, the node where each is bound, and one that is ready to take it."""
    found = client(context).ports(network)
    rows = [[one[name] for name in COLUMNS] for one in found]
    heads = ["port" if name == "name" else name for name in COLUMNS]
    show(found, output, lambda: table(heads, rows, "no ports"))


@app.command("show")
def show_port(
    context: typer.Context,
    network: NetworkName,
    port: PortName,
    output: Output = Format.TABLE,
) -> None:
    """Show one port: its addresses, and what DHCP, router advertisements and DNS tell of it.

    tulle port show red web1
    """
    found = client(context).port(network, port)
    show(found, output, lambda: table(["what", "value"], _rows(found), "nothing"))


@app.command("move")
def move(
    context: typer.Context,
    network: NetworkName,
    port: PortName,
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


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """The port's own lines, then those of each service that it has."""
    for key, value in found.items():
        if key not in ("dhcp", "advertised", "qos"):
            yield key.replace("_", " "), value
    yield from qos_rows(found["qos"] or {})
    if found["dhcp"] is None:
        yield "dhcp", "no"
    else:
        yield from ((f"dhcp {key}", value) for key, value in found["dhcp"].items())
    for one in found["advertised"]:
        yield f"advertised by {one['router_port']}", f"{one['mode']} {', '.join(one['prefixes'])}"


@app.command("prepare")
def prepare(
    context: typer.Context,
    network: NetworkName,
    port: Annotated[
        str,
        typer.Argument(metavar="PORT", help="The name of a port of that network.", autocompletion=port_names),
    ],
    node: Annotated[
        str,
        typer.Argument(metavar="[NODE]", help="Where it will go.", autocompletion=node_names),
    ] = "",
    cancel: Annotated[bool, typer.Option("--cancel", help="Prepare it no more.")] = False,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait", help="Return when it is ready; default: if the node makes the device."
        ),
    ] = None,
) -> None:
    """Have a node ready for a port: the first packet that the port's device sends there moves it.

    This is the first half of the migration of a virtual machine; its start at the other node is the second.

    tulle port prepare red web1 node3
    """
    if cancel == bool(node):
        raise InvalidInput("expected a node, or --cancel")
    if cancel:
        client(context).cancel_prepared(network, port)
        line(f"{network}/{port} is prepared nowhere")
    else:
        ready = client(context).prepare_port(network, port, node, wait=wait)
        line(f"{node} {'is ready and ' if ready else ''}takes {network}/{port} with its first packet there")
