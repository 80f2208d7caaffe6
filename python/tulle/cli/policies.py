"""`tulle policy list`: the policies of a network's routers as they are asked; and routes and rates as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from .acls import counted
from .context import NetworkName, client
from .output import Format, Output, show, table

app = typer.Typer(no_args_is_help=True, help="Policies of routers, which are asked before their routes.")
HEADS = ("router", "policy", "priority", "match", "action", "next hops")


@app.command("list")
def list_policies(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the policies of a network's routers in the order in which they are asked, with what each has decided.

    tulle policy list shop
    """
    tulle = client(context)
    found = tulle.show_network(network)["network"]
    sums = counted(tulle.counters(network), "policy")
    rules = [
        {**one, "packets": sums[one["name"], "packets"], "bytes": sums[one["name"], "bytes"]}
        for one in _policies(found)
    ]
    rows = [(*_cells(rule), rule["packets"], rule["bytes"]) for rule in rules]
    show(rules, output, lambda: table((*HEADS, "packets", "bytes"), rows, f"no policies in {network}"))


def draw_routing(network: dict[str, Any]) -> None:
    """Routes and policies, for `tulle network show`."""
    routes = [
        (router["name"], one["prefix"], _hops(one))
        for router in network["routers"]
        for one in router["routes"]
    ]
    if routes:
        table(["router", "prefix", "next hop"], routes, "no routes")
    if rules := [_cells(one) for one in _policies(network)]:
        table(HEADS, rules, "")


def draw_qos(network: dict[str, Any]) -> None:
    """What ports are held to, for `tulle network show`."""
    rows = [
        (port["name"], _rate(qos.get("from_port")), _rate(qos.get("to_port")), ", ".join(_marks(qos)))
        for port in network["ports"]
        if (qos := port.get("qos"))
    ]
    if rows:
        table(["port", "may send", "may get", "marked"], rows, "")


def qos_rows(qos: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The same of one port, for `tulle port show`."""
    rows = ("may send", _rate(qos.get("from_port"))), ("may get", _rate(qos.get("to_port")))
    yield from (row for row in (*rows, ("marked", ", ".join(_marks(qos)))) if row[1])


def _policies(network: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"router": router["name"], **one}
        for router in network["routers"]
        for one in sorted(router.get("policies", ()), key=lambda one: -one["priority"])
    ]


def _cells(rule: dict[str, Any]) -> tuple[object, ...]:
    named = (rule[key] for key in ("router", "name", "priority", "match", "action"))
    return (*named, _hops(rule))


def _hops(owner: dict[str, Any]) -> str:
    """`10.0.9.11, 10.0.9.12 (3)`: next hops, with a weight other than 1."""
    hops = owner.get("next_hops") or ([{"address": owner["next_hop"]}] if owner.get("next_hop") else [])
    weights = [(hop["address"], hop.get("weight", 1)) for hop in hops]
    return ", ".join(address if weight == 1 else f"{address} ({weight})" for address, weight in weights)


def _rate(rate: dict[str, int] | None) -> str:
    if rate is None:
        return ""
    burst = f", {rate['burst_kbit']} kbit at once" if rate.get("burst_kbit") else ""
    return f"{rate['rate_kbps']} kbit/s{burst}"


def _marks(qos: dict[str, Any]) -> Iterator[str]:
    yield from (f"{one['match']}: {one['dscp']}" for one in qos.get("markings", ()))
    if "dscp" in qos:
        yield f"{qos['dscp']}"
