"""The `tulle` command: puts the commands together, and turns errors into messages and exit statuses.

0: done; 1: an error, said on standard error as `error[code]: …`; 2: wrong usage; 130: interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tulle.errors import TulleError

from . import acls, backup, networks, ports, processes, trace, views
from .output import print_error

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("apply")(networks.apply)
app.add_typer(networks.app, name="network")
app.add_typer(ports.app, name="port")
app.add_typer(acls.app, name="acl")
app.add_typer(views.nodes, name="node")
app.add_typer(views.tunnels, name="tunnel")
app.command("trace")(trace.trace)
app.command("drops")(views.drops)
app.command("counters")(views.counters)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("controller", rich_help_panel="Processes")(processes.controller)
app.command("agent", rich_help_panel="Processes")(processes.agent)
app.command("vswitch", rich_help_panel="Processes")(processes.vswitch)

_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
app.command("ovsdb-server", rich_help_panel="Processes", context_settings=_PASSED_ON, add_help_option=False)(
    processes.ovsdb_server
)


@app.callback()
def options(
    context: typer.Context,
    api: Annotated[
        Path | None,
        typer.Option(
            "--api",
            envvar="TULLE_API",
            help="The controller's socket.  Default: /run/tulle/api.sock, or the lab's.",
        ),
    ] = None,
) -> None:
    """Tulle: virtual networks over any physical network, operated as whole objects.

    tulle apply -f networks.yaml

    tulle network snapshot red before-upgrade

    tulle trace red web1 'tcp,dst=10.0.2.11,dport=80'
    """
    context.obj = api


@app.command("lab", context_settings=_PASSED_ON, add_help_option=False)
def lab(context: typer.Context) -> None:
    """A whole data centre on this machine: up, down, show, exec."""
    from tulle.lab.commands import app as lab_app

    lab_app(args=context.args, prog_name="tulle lab", obj=context.obj)


def run() -> None:
    """Run the command line and exit."""
    try:
        app(prog_name="tulle")
    except TulleError as error:
        print_error(error)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        sys.exit(1)
