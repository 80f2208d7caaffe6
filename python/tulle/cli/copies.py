"""`tulle network clone, export, import, rename, pause, resume`: a network as one thing to carry about."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tulle.errors import InvalidInput

from .context import At, DryRun, File, Message, NetworkName, Timeout, Wait, client, finish_change, read_text
from .output import Format, Output, line

Bind = Annotated[
    list[str] | None,
    typer.Option(
        "--bind",
        metavar="PORT=NODE[/NAMESPACE[/INTERFACE]]",
        help="Where a port is to be; without a namespace, the interface is somebody else's.  May be repeated.",
    ),
]


def clone(
    context: typer.Context,
    network: NetworkName,
    copy: Annotated[str, typer.Argument(metavar="COPY", help="A name that no network has.")],
    bind: Bind = None,
    at: At = None,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Make a second network with the same inside, also the same addresses, apart from the first.

    Its ports are unbound but for those that --bind puts somewhere.

    tulle network clone shop staging --bind web1=node2/staging-web1

    tulle network clone shop evidence --at before-upgrade
    """
    answer = (
        client(context)
        .network(network)
        .clone(copy, places(bind or []), dry_run=dry_run, message=message, at=at)
    )
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=f"cloned {network} as {copy}")


def export(
    context: typer.Context,
    network: NetworkName,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Default: standard output.")] = None,
    at: At = None,
) -> None:
    """Write a network as a file that `apply` and `import` take.

    Its `generation` lets `apply` notice when somebody else has changed the network meanwhile.

    tulle network export red -f red.yaml
    """
    text = client(context).export(network, at)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text)
    except OSError as error:
        raise InvalidInput(f"cannot write the file: {error}", where=str(file)) from None
    line(f"wrote {network} to {file}")


def import_(
    context: typer.Context,
    file: File,
    name: Annotated[str | None, typer.Option("--as", help="Another name than that in the file.")] = None,
    unbound: Annotated[
        bool, typer.Option("--unbound", help="Leave the ports unbound but for those with --bind.")
    ] = False,
    bind: Bind = None,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Make a new network of a file with one, such as another controller exported.

    tulle network import -f red.yaml

    tulle network import -f red.yaml --as red-copy --unbound --bind web1=node2
    """
    where = places(bind or []) if unbound or bind else None
    answer = client(context).import_network(
        read_text(file), str(file), name=name, places=where, dry_run=dry_run, message=message
    )
    finish_change(context, answer, output, wait=wait, timeout_s=timeout)


def rename(
    context: typer.Context,
    network: NetworkName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name that no network has.")],
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Give a network another name; snapshots and history go with it.  Its ports are plugged in anew.

    tulle network rename red crimson
    """
    answer = client(context).network(network).rename(name, dry_run=dry_run, message=message)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=f"{network} is {name} now")


def pause(
    context: typer.Context,
    network: NetworkName,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Stop all traffic of a network; its workloads stay plugged in, and `resume` lets it go on.

    tulle network pause red -m 'until we know who it was'
    """
    answer = client(context).network(network).pause(dry_run=dry_run, message=message)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=f"paused {network}")


def resume(
    context: typer.Context,
    network: NetworkName,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Let the traffic of a paused network go on.

    tulle network resume red
    """
    answer = client(context).network(network).resume(dry_run=dry_run, message=message)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=f"resumed {network}")


def places(bindings: list[str]) -> dict[str, dict[str, str]]:
    """What `--bind` says, by port; InvalidInput when it is malformed."""
    found: dict[str, dict[str, str]] = {}
    for text in bindings:
        port, equals, where = text.partition("=")
        words = where.split("/")
        if not (port and equals) or len(words) > 3 or not all(words):
            raise InvalidInput(f"--bind: PORT=NODE[/NAMESPACE[/INTERFACE]] was expected, {text!r} came")
        if port in found:
            raise InvalidInput(f"--bind: port {port} is there twice")
        found[port] = dict(zip(("node", "namespace", "interface"), words, strict=False))
    return found


def add_to(app: typer.Typer) -> None:
    """Make these commands part of `tulle network`."""
    for command in (clone, export, import_, rename, pause, resume):
        app.command(command.__name__.rstrip("_"))(command)
