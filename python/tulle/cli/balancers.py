"""`tulle lb list` and `tulle lb show`: load balancers, their backends, and which of these serve."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tulle.errors import NotFound

from .acls import counted
from .context import NetworkName, client
from .output import Format, Output, line, show, table

app = typer.Typer(no_args_is_help=True, help="Load balancers.")
HEADS = ("lb", "at", "virtual IPs", "service", "affinity", "backends")
Document = dict[str, Any]


@app.command("list")
def list_balancers(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the load balancers of a network, and how many packets have begun a connection by each.

    tulle lb list shop
    """
    found = _found(context, network)
    rows = [(*_cells(one), one["begun"]) for one in found]
    show(found, output, lambda: table((*HEADS, "begun"), rows, f"no load balancers in {network}"))


@app.command("show")
def show_balancer(
    context: typer.Context,
    network: NetworkName,
    name: Annotated[str, typer.Argument(metavar="LB", help="Its name.")],
    output: Output = Format.TABLE,
) -> None:
    """Show a load balancer: its backends, whether they serve, and how many connections began to each.

    tulle lb show shop web
    """
    found = next((one for one in _found(context, network) if one["name"] == name), None)
    if found is None:
        raise NotFound(f"no load balancer {name!r} in network {network}")
    show(found, output, lambda: _draw(found))


def draw_balancers(network: Document) -> None:
    """Load balancers, for `tulle network show`."""
    rows = [_cells(one) for one in network.get("load_balancers", ())]
    if rows:
        table(HEADS, rows, "")


def _draw(one: Document) -> None:
    checks = f"asked every {one['check_s']} s" if one.get("check_s") else "not asked"
    line(f"load balancer {one['name']} at {_place(one)}", "bold")
    line(
        f"{', '.join(one['vips'])} {one['protocol']}/{one['dport']}, by {_affinity(one)}; backends are {checks}"
    )
    rows = [
        (each["name"], ", ".join(each["addresses"]), each["dport"], each["state"], each["begun"])
        for each in one["backends"]
    ]
    table(("backend", "addresses", "port", "state", "begun"), rows, "no backends")


def _found(context: typer.Context, network: str) -> list[Document]:
    tulle = client(context)
    document = tulle.show_network(network)["network"]
    states = tulle.backends(network)
    rows = tulle.counters(network)
    ports = {port["name"]: port.get("addresses", ()) for port in document["ports"]}
    return [
        {
            **one,
            "begun": counted(rows, "balancer")[one["name"], "packets"],
            "backends": [_backend(one, each, ports, states, rows) for each in one["backends"]],
        }
        for one in document.get("load_balancers", ())
    ]


def _backend(
    one: Document, backend: Document, ports: Document, states: list[Document], rows: list[Document]
) -> Document:
    name = backend.get("port") or backend["address"]
    own = ports.get(backend.get("port", ""), ()) or (name,)
    families = {":" in vip for vip in one["vips"]}
    addresses = [address for address in own if (":" in address) in families]
    said = [s["up"] for s in states if s["balancer"] == one["name"] and s["address"] in addresses]
    state = (
        "not asked" if not one.get("check_s") else "unknown" if not said else "up" if all(said) else "down"
    )
    begun = counted(rows, "balancer")[f"{one['name']} to {name}", "packets"]
    dport = backend.get("dport") or one["dport"]
    return {"name": name, "addresses": addresses, "dport": dport, "state": state, "begun": begun}


def _cells(one: Document) -> tuple[object, ...]:
    backends = [each.get("name") or each.get("port") or each["address"] for each in one["backends"]]
    service = f"{one['protocol']}/{one['dport']}"
    return one["name"], _place(one), one["vips"], service, _affinity(one), backends


def _place(one: Document) -> str:
    return f"router {one['router']}" if one.get("router") else f"switch {one['switch']}"


def _affinity(one: Document) -> str:
    sticks = f", {one['affinity_s']} s" if one.get("affinity_s") else ""
    return str(one.get("affinity", "connection")) + sticks
