"""The `tulle` command: puts the commands together, and turns errors into messages and exit statuses.

0: done; 1: refused or failed, said on standard error as `error[code]: …`; 2: wrong usage;
3: conflict with what is there; 4: somebody does not answer, or not in time; 130: interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from tulle.errors import Conflict, TulleError, Unavailable

from . import (
    acls,
    backup,
    balancers,
    chains,
    draining,
    nats,
    networks,
    policies,
    ports,
    preferences,
    processes,
    trace,
    views,
    watch,
)
from .capture import capture
from .doctor import doctor
from .flows import flows
from .output import print_error
from .schema import schema
from .top import top
from .why import reach, why

STATUSES: Final[dict[type[TulleError], int]] = {Conflict: 3, Unavailable: 4}
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("apply")(networks.apply)
app.add_typer(preferences.network_commands, name="network")
app.add_typer(ports.app, name="port")
app.add_typer(acls.app, name="acl")
app.add_typer(nats.app, name="nat")
app.add_typer(policies.app, name="policy")
app.add_typer(balancers.app, name="lb")
app.add_typer(chains.app, name="chain")
app.add_typer(chains.mirrors, name="mirror")
app.add_typer(draining.app, name="node")
app.add_typer(views.tunnels, name="tunnel")
app.command("trace")(trace.trace)
app.command("why")(why)
app.command("reach")(reach)
app.command("flows")(flows)
app.command("capture")(capture)
app.command("top")(top)
app.command("doctor")(doctor)
app.command("watch")(watch.watch)
app.command("schema")(schema)
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

    tulle network history red

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
        sys.exit(STATUSES.get(type(error), 1))
