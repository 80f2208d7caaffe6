"""`tulle why` and `tulle reach`: who gets to whom, and what decides it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .completion import network_names
from .context import NetworkName, client
from .output import Format, Output, line, show, table, waiting

Document = dict[str, Any]
NO = 1


def why(
    context: typer.Context,
    network: NetworkName,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The port that sends.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The port that is to receive.")],
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="tcp/PORT, udp/PORT or ping.")] = "ping",
    output: Output = Format.TABLE,
) -> None:
    """Say whether a port reaches another, and by which rule; exits with 1 if it does not.

    The switches on the way are asked, with the flows and the connections that they have now.

    tulle why shop web1 db1 tcp/5432
    """
    with waiting("tracing"):
        found = client(context).why(network, source, target, service)
    show(found, output, lambda: _draw_why(found))
    if not all(one["reaches"] for one in found["answers"]):
        raise typer.Exit(NO)


def _draw_why(found: Document) -> None:
    for one in found["answers"]:
        word, style = ("reaches", "green") if one["reaches"] else ("does not reach", "red")
        said = f"{found['source']} {word} {found['target']} by {one['service']} over IPv{one['version']}"
        line(said if one["reaches"] else f"{said}: it {one['said']}", style)
        for owner in one["by"]:
            line(f"  {owner} had a say")
        if not one["agrees"]:
            line("  the model says otherwise; `tulle doctor` looks for what is wrong", "yellow")


def reach(
    context: typer.Context,
    network: Annotated[str, typer.Argument(metavar="NETWORK", autocompletion=network_names)],
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask the switches about every pair too, and show what differs.")
    ] = False,
    source: Annotated[str | None, typer.Option("--from", metavar="PORT", help="Only from this port.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show who reaches whom by what, as the network's rules say.

    Ports that no rule tells apart share a line.
    With --probe, one packet of each kind goes through the flows that are installed, from each port to each other;
    exits with 1 if a switch decides otherwise than the rules.

    tulle reach shop

    tulle reach shop --probe --from web1
    """
    tulle = client(context)
    found = tulle.reach(network)
    if source is not None:
        found["reach"] = [{**one, "sources": [source]} for one in found["reach"] if source in one["sources"]]
    if probe:
        with waiting("asking the switches"):
            found["probe"] = tulle.probe(network, source)
    show(found, output, lambda: _draw_reach(found))
    if probe and found["probe"]["differences"]:
        raise typer.Exit(NO)


def _draw_reach(found: Document) -> None:
    if found["unknown"]:
        line(f"not computed: {found['unknown']}", "yellow")
    else:
        rows = [(one["sources"], one["targets"], one["services"]) for one in found["reach"]]
        table(["from", "to", "by"], rows, "nobody reaches anybody")
    if "probe" not in found:
        return
    differences = found["probe"]["differences"]
    line(
        f"{found['probe']['asked']} packets were traced, {len(differences)} went otherwise than the rules say"
    )
    if differences:
        heads = ["from", "to", "by", "should arrive", "in the switches it"]
        table(heads, [_difference(one) for one in differences], "")


def _difference(one: Document) -> tuple[object, ...]:
    by = f"{one['service']} over IPv{one['version']}"
    return one["source"], one["target"], by, one["model"], one["said"]
