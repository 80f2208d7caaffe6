"""`tulle apply` and `tulle network …`: whole virtual networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tulle.errors import InvalidInput

from .context import NetworkName, Timeout, Wait, client, finish_change, show_changes, undo_hint
from .output import Format, Output, line, show, table, waiting

app = typer.Typer(no_args_is_help=True, help="Virtual networks as whole objects.")
SnapshotName = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="The name of a snapshot.")]
LINES = ("name", "generation", "switches", "routers", "ports", "acls", "applied")


def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="A YAML file, or - for standard input.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Make networks be as a file says; refused whole when anything in it is wrong.

    tulle apply -f examples/two-tenants.yaml

    tulle apply -f red.yaml --dry-run
    """
    answer = client(context).apply(_read(file), str(file), dry_run=dry_run)
    finish_change(context, answer, output, wait=wait and not dry_run, timeout_s=timeout)
    if dry_run and output is Format.TABLE:
        line("nothing was changed: this was a dry run")


@app.command("list")
def list_networks(context: typer.Context, output: Output = Format.TABLE) -> None:
    """List the networks; `applied` says whether every node has the present generation."""
    found = client(context).networks()
    rows = [[one[name] for name in LINES] for one in found]
    show(found, output, lambda: table(LINES, rows, "no networks; `tulle apply -f FILE` makes some"))


@app.command("show")
def show_network(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """Show a network: its switches, routers, ports and ACLs."""
    found = client(context).network(network)
    show(found, output, lambda: _draw(found))


@app.command("delete")
def delete_network(
    context: typer.Context,
    network: NetworkName,
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Delete a network.  A snapshot `before-delete-N` is kept, so that `rollback` can bring it back."""
    tulle = client(context)
    answer = tulle.delete_network(network)
    if wait:
        with waiting("waiting until every node has let go of it"):
            tulle.wait(answer["generations"], timeout)
    show(answer, output, lambda: line(f"deleted {network}{undo_hint(network, answer)}"))


@app.command("snapshot")
def snapshot(
    context: typer.Context,
    network: NetworkName,
    name: Annotated[str | None, typer.Argument(metavar="[SNAPSHOT]", help="Default: snapshot-N.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Keep a network as it is now.

    tulle network snapshot red before-upgrade
    """
    found = client(context).snapshot(network, name)
    text = f"kept {network} generation {found['generation']} as {found['name']}"
    show(found, output, lambda: line(text))


@app.command("snapshots")
def snapshots(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the snapshots of a network, oldest first."""
    found = client(context).snapshots(network)
    rows = [(one["name"], one["created"], one["generation"]) for one in found]
    show(
        found,
        output,
        lambda: table(["snapshot", "created", "generation"], rows, f"no snapshots of {network}"),
    )


@app.command("diff")
def diff(
    context: typer.Context,
    network: NetworkName,
    snapshot: SnapshotName,
    other: Annotated[
        str | None, typer.Argument(metavar="[SNAPSHOT]", help="Default: the network now.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what changed from a snapshot to another one, or to now.

    tulle network diff red before-upgrade
    """
    found = client(context).diff(network, snapshot, other)
    show(found, output, lambda: show_changes(found, "no difference"))


@app.command("rollback")
def rollback(
    context: typer.Context,
    network: NetworkName,
    snapshot: SnapshotName,
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Put a snapshot in place of a network.  The network as it was is kept as `before-rollback-N`.

    tulle network rollback red before-upgrade
    """
    answer = client(context).rollback(network, snapshot)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout)
    if output is Format.TABLE and answer["kept"]:
        line(f"rolled {network} back{undo_hint(network, answer)}")


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the file: {error}", where=str(file)) from None


def _draw(found: dict[str, Any]) -> None:
    network, bound = found["network"], found["bound"]
    line(f"network {network['name']}, generation {found['generation']}, MTU {found['mtu']}", "bold")
    for late in found["behind"]:
        line(f"behind: {late}", "yellow")
    switches = [(one["name"], one["subnets"]) for one in network["switches"]]
    table(["switch", "subnets"], switches, "no switches")
    router_ports = [
        (router["name"], port["switch"], port["mac"], port["addresses"])
        for router in network["routers"]
        for port in router["ports"]
    ]
    table(["router", "switch", "mac", "addresses"], router_ports, "no routers")
    routes = [(r["name"], one["prefix"], one["next_hop"]) for r in network["routers"] for one in r["routes"]]
    if routes:
        table(["router", "prefix", "next hop"], routes, "no routes")
    ports = [
        (one["name"], one["switch"], one["mac"], one["addresses"], one.get("node"), bound.get(one["name"]))
        for one in network["ports"]
    ]
    table(["port", "switch", "mac", "addresses", "node", "bound"], ports, "no ports")
    acls = [
        (one["name"], one["direction"], _place(one), one["priority"], one["match"], one["action"])
        for one in network["acls"]
    ]
    table(["acl", "direction", "at", "priority", "match", "action"], acls, "no acls")


def _place(acl: dict[str, Any]) -> str:
    return f"switch {acl['switch']}" if acl.get("switch") else f"port {acl.get('port')}"
