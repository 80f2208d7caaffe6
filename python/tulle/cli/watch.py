"""`tulle watch`: what happens, while it happens."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer

from .completion import network_names
from .context import client
from .output import Format, Output, line, show

Document = dict[str, Any]
PREPARED = {
    "prepared": "is prepared at {}",
    "taken": "has been taken by {}, and is prepared no more",
    "cancelled": "is prepared at {} no more",
}


def watch(
    context: typer.Context,
    network: Annotated[
        str | None, typer.Argument(metavar="[NETWORK]", help="Default: all.", autocompletion=network_names)
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show changes as users make them and as nodes apply them, until interrupted.

    With -o json, one object a line; with -o yaml, one document each.

    tulle watch red

    tulle watch -o json
    """
    for event in client(context).watch(network):
        if output is Format.JSON:
            import orjson

            sys.stdout.write(orjson.dumps(event).decode() + "\n")
        else:
            show(event, output, partial(line, f"{datetime.now():%H:%M:%S}  {sentence(event)}"))
            if output is Format.YAML:
                sys.stdout.write("---\n")
        sys.stdout.flush()


def sentence(event: Document) -> str:
    """An event for people."""
    match event:
        case {"event": "changed", "network": network, "generation": number, "by": by, "what": what, **rest}:
            said = f" ({rest['message']})" if rest.get("message") else ""
            return f"{network} {number}: {by or 'somebody'}: {what}, {rest.get('summary') or 'nothing'}{said}"
        case {"event": "kept", "network": network, "name": name}:
            return f"{network}: snapshot {name} was taken"
        case {"event": "forgotten", "network": network, "name": name}:
            return f"{network}: snapshot {name} was forgotten"
        case {"event": "bound" | "released" as word, "network": network, "port": port, "node": node}:
            return f"{network}: port {port} was {word} at {node}"
        case {"event": "moving" | "moved", "network": network, "port": port, "from": source, "node": node}:
            word = "is on its way" if event["event"] == "moving" else "has moved"
            return f"{network}: port {port} {word} from {source} to {node}"
        case {"event": "prepared" | "taken" | "cancelled" as word, "port": port, "node": node, **rest}:
            return f"{rest['network']}: port {port} {PREPARED[word].format(node)}"
        case {"event": "connections stay", "network": network, "port": port, "problem": problem}:
            return f"{network}: connections of port {port} do not move along: {problem}"
        case {"event": "draining", "node": node}:
            return f"node {node} is being drained"
        case {"event": "drained", "node": node, "left": left}:
            return f"node {node} is drained" + (f"; {left} ports stay there" if left else "")
        case {"event": "applied", "node": node, "network": network, "generation": number}:
            return f"{network}: {node} has applied generation {number}"
        case {"event": "let go", "node": node, "network": network}:
            return f"{network}: {node} has let go of it"
        case {"event": "registered" | "left" as word, "node": node}:
            return f"node {node} has {word}"
        case _:
            return ", ".join(f"{key} {value}" for key, value in event.items())
