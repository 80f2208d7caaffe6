"""`tulle apply` and `tulle network …`: whole virtual networks, made, changed, shown and deleted.

What concerns their past is in `past`, what makes one of another in `copies`.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from . import copies, past
from .acls import draw_policies
from .balancers import draw_balancers
from .context import (
    Atomic,
    DryRun,
    File,
    Message,
    NetworkName,
    Timeout,
    Wait,
    client,
    finish_change,
    read_text,
)
from .nats import draw_nats
from .output import Format, Output, line, show, table
from .policies import draw_qos, draw_routing
from .totals import draw_totals, totals_of

app = typer.Typer(no_args_is_help=True, help="Virtual networks as whole objects.")
LINES = ("name", "generation", "switches", "routers", "ports", "acls", "paused", "applied")


def apply(
    context: typer.Context,
    file: File,
    atomic: Atomic = False,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Make networks be as a file says; refused whole when anything in it is wrong.

    A network with a key `generation`, as `export` writes it, is changed only if nobody else has changed it since.

    tulle apply -f examples/two-tenants.yaml

    tulle apply -f red.yaml --dry-run

    tulle apply -f red.yaml --atomic
    """
    tulle = client(context)
    answer = tulle.apply(read_text(file), str(file), dry_run=dry_run, message=message, atomic=atomic)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout)


app.command("apply")(apply)


@app.command("create")
def create(
    context: typer.Context,
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="A name that no network has.")],
    subnet: Annotated[
        list[str] | None,
        typer.Option("--subnet", help="Give it one switch, `lan`, with this subnet; may be repeated."),
    ] = None,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Make a new network, empty or with one switch.

    tulle network create shop --subnet 10.0.1.0/24 --subnet fd00:1::/64
    """
    answer = client(context).network(network).create(*(subnet or ()), dry_run=dry_run, message=message)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=f"made {network}")


@app.command("list")
def list_networks(context: typer.Context, output: Output = Format.TABLE) -> None:
    """List the networks; `applied` says whether every node has the present generation.

    tulle network list -o json
    """
    found = client(context).networks()
    rows = [[one[name] for name in LINES] for one in found]
    show(found, output, lambda: table(LINES, rows, "no networks; `tulle apply -f FILE` makes some"))


@app.command("show")
def show_network(
    context: typer.Context,
    network: NetworkName,
    counters: Annotated[
        bool,
        typer.Option("--counters", help="What it, its switches and its routers have passed and dropped."),
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show a network: its switches, routers, ports and ACLs.

    tulle network show red --counters
    """
    tulle = client(context)
    found = tulle.show_network(network)
    if counters:
        found["counters"] = totals_of(tulle.totals(network))
    show(found, output, lambda: _draw(found))


@app.command("delete")
def delete_network(
    context: typer.Context,
    network: NetworkName,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Delete a network.  A snapshot `before-delete-N` is kept, so that `rollback` can bring it back.

    tulle network delete red --dry-run
    """
    answer = client(context).delete_network(network, dry_run=dry_run, message=message)
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=f"deleted {network}")


def _draw(found: dict[str, Any]) -> None:
    network, bound = found["network"], found["bound"]
    paused = ", paused" if network.get("paused") else ""
    line(f"network {network['name']}, generation {found['generation']}, MTU {found['mtu']}{paused}", "bold")
    for late in found["behind"]:
        line(f"behind: {late}", "yellow")
    _draw_tunnels(network, found["tunnels"])
    switches = [(one["name"], one["subnets"], "dhcp" in one) for one in network["switches"]]
    table(["switch", "subnets", "dhcp"], switches, "no switches")
    router_ports = [
        (router["name"], port["switch"], port["mac"], port["addresses"], port.get("ra", "off"))
        for router in network["routers"]
        for port in router["ports"]
    ]
    table(["router", "switch", "mac", "addresses", "advertises"], router_ports, "no routers")
    draw_routing(network)
    ports = [
        (one["name"], one["switch"], one["mac"], one["addresses"], one.get("node"), bound.get(one["name"]))
        for one in network["ports"]
    ]
    table(["port", "switch", "mac", "addresses", "node", "bound"], ports, "no ports")
    draw_qos(network)
    draw_policies(network)
    draw_nats(network)
    draw_balancers(network)
    if "counters" in found:
        draw_totals(found["counters"])


def _draw_tunnels(network: dict[str, Any], tunnels: list[dict[str, Any]]) -> None:
    """Which encapsulations carry it, and where its own order could not be followed."""
    if tunnels:
        used = Counter(one["encapsulation"] for one in tunnels)
        line(f"carried by: {', '.join(f'{name} ({count})' for name, count in sorted(used.items()))}")
    if not (order := network.get("encapsulations")):
        return
    line(f"prefers: {', '.join(order)}")
    for one in tunnels:
        if one["coming"] is not None:
            line(f"{one['local']} and {one['remote']} change to {one['coming']}", "yellow")
        elif one["encapsulation"] not in order:
            line(f"{one['local']} and {one['remote']}: {one['reason']}", "yellow")


past.add_to(app)
copies.add_to(app)
