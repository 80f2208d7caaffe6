"""What all commands share: the client of the controller, and options that occur in several."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tulle.api.client import Client, connect
from tulle.errors import InvalidInput

from .completion import change_numbers, network_names
from .output import Format, line, show, table, waiting
from .plans import show_plan

NetworkName = Annotated[
    str,
    typer.Argument(metavar="NETWORK", help="The name of a virtual network.", autocompletion=network_names),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="SNAPSHOT|CHANGE",
        help="As it was at a snapshot, or after a change; default: now.",
        autocompletion=change_numbers,
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until every node has applied the change.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, max=3600, help="How long to wait, in seconds.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show what would change, on which node and for whom; change nothing."),
]
Atomic = Annotated[
    bool,
    typer.Option(
        "--atomic/--no-atomic",
        help="Let all nodes change as one, so that no packet meets old and new; or each for itself.",
    ),
]
Message = Annotated[str, typer.Option("--message", "-m", help="Why; it stands in the history.")]
File = Annotated[Path, typer.Option("--file", "-f", help="A YAML file, or - for standard input.")]


def client(context: typer.Context) -> Client:
    """A client of the controller that `--api` names, or that is found."""
    path: Path | None = context.find_root().obj
    return connect(path)


def read_text(file: Path) -> str:
    """The text of a file, or of standard input for `-`."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the file: {error}", where=str(file)) from None


def finish_change(
    context: typer.Context,
    answer: dict[str, Any],
    output: Format,
    *,
    wait: bool,
    timeout_s: float,
    done: str = "",
) -> None:
    """Show what a change did or would do, wait until it is true everywhere, and say `done` and how to undo it."""
    planned = "plan" in answer
    if output is Format.TABLE:
        show_changes(answer["changes"], "nothing to change")
        if planned:
            show_plan(answer["plan"])
            line("nothing was changed: this was a dry run")
    generations = answer["generations"]
    if wait and generations and not planned:
        with waiting("waiting until every node has applied it"):
            client(context).wait(generations, timeout_s)
    show(answer, output, lambda: None if planned else _say(answer, done, wait=wait))


def _say(answer: dict[str, Any], done: str, *, wait: bool) -> None:
    names = ", ".join(f"{name} (generation {n})" for name, n in sorted(answer["generations"].items()) if n)
    if names and (wait or answer["changes"]):
        line(f"applied on every node: {names}" if wait else f"accepted: {names}")
    hint = undo_hint(answer) if answer["changes"] else ""
    if done or hint:
        line(f"{done}{hint}" if done else hint.removeprefix("; "))


def undo_hint(answer: dict[str, Any]) -> str:
    """How to take a change back, where one command can."""
    return f"; `tulle network {answer['undo']}` undoes it" if answer.get("undo") else ""


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
        if not value:
            return "none"
        return str(len(value)) if any(isinstance(one, dict) for one in value) else "/".join(map(str, value))
    return str(value)
