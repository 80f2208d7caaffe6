"""What all commands share: the client of the controller, and options that occur in several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tulle.api.client import Client, connect

from .output import Format, line, show, table, waiting

NetworkName = Annotated[str, typer.Argument(metavar="NETWORK", help="The name of a virtual network.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every node has applied the change.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=3600, help="How long to wait, in seconds.")]


def client(context: typer.Context) -> Client:
    """A client of the controller that `--api` names, or that is found."""
    path: Path | None = context.find_root().obj
    return connect(path)


def finish_change(
    context: typer.Context,
    answer: dict[str, Any],
    output: Format,
    *,
    wait: bool,
    timeout_s: float,
) -> None:
    """Show what a change did, and wait until it is true everywhere."""
    if output is Format.TABLE:
        show_changes(answer["changes"], "nothing to change")
    generations = answer["generations"]
    if wait and generations:
        with waiting("waiting until every node has applied it"):
            client(context).wait(generations, timeout_s)
    names = ", ".join(f"{name} (generation {number})" for name, number in sorted(generations.items()))
    show(answer, output, lambda: line(f"applied on every node: {names}") if wait and names else None)


def undo_hint(network: str, answer: dict[str, Any]) -> str:
    """How to take a change back, where that can be."""
    return f"; `tulle network rollback {network} {answer['kept']}` undoes it" if answer["kept"] else ""


def show_changes(changes: list[dict[str, Any]], empty: str) -> None:
    """The table of differences."""
    rows = [(one["kind"], one["path"], _brief(one["old"]), _brief(one["new"])) for one in changes]
    table(["change", "what", "before", "after"], rows, empty)


def _brief(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_member(member)}" for key, member in value.items() if key != "name")
    if isinstance(value, list):
        return ", ".join(map(_member, value))
    return str(value)


def _member(value: object) -> str:
    if isinstance(value, list):
        return str(len(value)) if any(isinstance(one, dict) for one in value) else "/".join(map(str, value))
    return str(value)
