"""`tulle network set` and `tulle node set`: which encapsulations come first."""

from __future__ import annotations

from typing import Annotated

import typer

from . import networks, views
from .context import NetworkName, Timeout, Wait, client, finish_change
from .output import Format, Output

network_commands, node_commands = networks.app, views.nodes
Encapsulations = Annotated[
    str,
    typer.Option(
        "--encapsulations",
        metavar="LIST",
        help="Best first, with commas, as in vxlan,stt; '' leaves the choice to the nodes.",
    ),
]


@network_commands.command("set")
def set_network(
    context: typer.Context,
    network: NetworkName,
    encapsulations: Encapsulations,
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Say which encapsulations a network prefers; each pair of nodes takes the first that both do.

    The tunnels are changed while traffic goes on.

    tulle network set red --encapsulations vxlan,stt
    """
    answer = client(context).prefer(network, listed(encapsulations))
    finish_change(context, answer, output, wait=wait, timeout_s=timeout)


@node_commands.command("set")
def set_node(
    context: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Its name.")],
    encapsulations: Encapsulations,
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Say which encapsulations a node is to use, as far as it is able to.

    tulle node set node1 --encapsulations vxlan,stt
    """
    answer = client(context).prefer_at(node, listed(encapsulations))
    finish_change(context, answer, output, wait=wait, timeout_s=timeout)


def listed(text: str) -> list[str]:
    """The names in a text with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
