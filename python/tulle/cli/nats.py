"""`tulle nat list`: the address translations of a network's routers, with what they have begun."""

from __future__ import annotations

from typing import Any

import typer

from .acls import counted
from .context import NetworkName, client
from .output import Format, Output, show, table

app = typer.Typer(no_args_is_help=True, help="Address translation on routers.")
HEADS = ("nat", "router", "kind", "external", "logical")


@app.command("list")
def list_nats(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the address translations of a network, and how many packets have begun a connection by each.

    tulle nat list shop
    """
    tulle = client(context)
    found = tulle.show_network(network)["network"]
    sums = counted(tulle.counters(network), "nat")
    rules = [
        {"router": router["name"], **nat, "begun": sums[nat["name"], "packets"]}
        for router in found["routers"]
        for nat in router.get("nat", ())
    ]
    rows = [(*_cells(rule), rule["begun"]) for rule in rules]
    show(rules, output, lambda: table((*HEADS, "begun"), rows, f"no address translation in {network}"))


def draw_nats(network: dict[str, Any]) -> None:
    """Address translations, for `tulle network show`."""
    rows = [
        _cells({"router": router["name"], **nat})
        for router in network["routers"]
        for nat in router.get("nat", ())
    ]
    if rows:
        table(HEADS, rows, "")


def _cells(rule: dict[str, Any]) -> tuple[object, ...]:
    return rule["name"], rule["router"], rule["kind"], rule["external"], rule["logical"]
