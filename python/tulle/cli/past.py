"""`tulle network snapshot, snapshots, forget, history, diff, rollback`: how networks were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tulle.errors import InvalidInput

from .completion import change_numbers, snapshot_names
from .context import (
    Atomic,
    DryRun,
    Message,
    NetworkName,
    Timeout,
    Wait,
    client,
    finish_change,
    read_text,
    show_changes,
)
from .output import Format, Output, line, show, table

Point = "SNAPSHOT|CHANGE"


def snapshot(
    context: typer.Context,
    network: NetworkName,
    name: Annotated[str | None, typer.Argument(metavar="[SNAPSHOT]", help="Default: snapshot-N.")] = None,
    message: Message = "",
    output: Output = Format.TABLE,
) -> None:
    """Keep a network as it is now: configuration, addresses and numbers.

    tulle network snapshot red before-upgrade -m 'the last one that worked'
    """
    found = client(context).snapshot(network, name, message)
    text = f"kept {network} generation {found['generation']} as {found['name']}"
    show(found, output, lambda: line(text))


def snapshots(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the snapshots of a network, oldest first.

    tulle network snapshots red
    """
    found = client(context).snapshots(network)
    rows = [
        (one["name"], one["created"], one["by"] or "-", one["generation"], one["message"]) for one in found
    ]
    heads = ["snapshot", "created", "by", "generation", "message"]
    show(found, output, lambda: table(heads, rows, f"no snapshots of {network}"))


def forget(
    context: typer.Context,
    network: NetworkName,
    name: Annotated[str, typer.Argument(metavar="SNAPSHOT", help="Its name.", autocompletion=snapshot_names)],
) -> None:
    """Forget a snapshot; the network stays as it is.

    tulle network forget red before-upgrade
    """
    client(context).delete_snapshot(network, name)
    line(f"forgot snapshot {name} of {network}")


def history(
    context: typer.Context,
    network: NetworkName,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only that many, the newest.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """List every change of a network, oldest first: who, when and what.

    tulle network history red --last 10

    tulle network rollback red --to 7
    """
    found = client(context).history(network)
    found = found[-last:] if last is not None else found
    rows = [
        (one["generation"], one["created"], one["by"] or "-", one["what"], one["summary"], one["message"])
        for one in found
    ]
    heads = ["change", "when", "by", "what", "touched", "message"]
    show(found, output, lambda: table(heads, rows, f"no changes of {network}"))


def diff(
    context: typer.Context,
    network: NetworkName,
    old: Annotated[
        str | None,
        typer.Argument(
            metavar=f"[{Point}]", help="A snapshot, or after which change.", autocompletion=change_numbers
        ),
    ] = None,
    new: Annotated[
        str | None,
        typer.Argument(metavar=f"[{Point}]", help="Default: the network now.", autocompletion=change_numbers),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Compare the network now with this file instead.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with status 1 if there is a difference.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what changed from a snapshot or change to another one, to now, or from now to a file.

    tulle network diff red before-upgrade

    tulle network diff red 7 9

    tulle network diff red -f red.yaml --exit-code
    """
    tulle = client(context)
    if (file is None) == (old is None):
        raise InvalidInput("a snapshot or change was expected, or --file")
    if file is not None:
        found = tulle.diff_file(network, read_text(file), str(file))
    else:
        found = tulle.diff(network, str(old), new)
    show(found, output, lambda: show_changes(found, "no difference"))
    if exit_code and found:
        raise typer.Exit(1)


def rollback(
    context: typer.Context,
    network: NetworkName,
    snapshot: Annotated[
        str | None,
        typer.Argument(metavar="[SNAPSHOT]", help="The name of a snapshot.", autocompletion=change_numbers),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="CHANGE", help="After which change, as in history.", autocompletion=change_numbers
        ),
    ] = None,
    atomic: Atomic = True,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Put a network back as it was.  As it is now, it is kept as `before-rollback-N`.

    tulle network rollback red before-upgrade

    No packet meets a mix of both: it is handled as it was or as it will be, on all nodes that it passes.

    tulle network rollback red --to 7 --dry-run
    """
    if (snapshot is None) == (to is None):
        raise InvalidInput("the name of a snapshot or --to CHANGE was expected")
    point = snapshot or to or ""
    answer = client(context).rollback(network, point, dry_run=dry_run, message=message, atomic=atomic)
    done = f"rolled {network} back" if answer["changes"] else ""
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=done)


def add_to(app: typer.Typer) -> None:
    """Make these commands part of `tulle network`."""
    for command in (snapshot, snapshots, forget, history, diff, rollback):
        app.command(command.__name__)(command)
