"""`tulle acl list`: the rules of a network in the order in which they are asked, with what they have counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer

from .context import NetworkName, client
from .output import Format, Output, line, show, table

app = typer.Typer(no_args_is_help=True, help="The rules of a network.")
HEADS = ("acl", "direction", "at", "tier", "priority", "match", "action")


@app.command("list")
def list_acls(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the ACLs of a network, and how many packets each has decided, or would have under audit.

    tulle acl list shop
    """
    tulle = client(context)
    found = tulle.show_network(network)["network"]
    sums = counted(tulle.counters(network), "acl")
    rules = [
        {**acl, "packets": sums[acl["name"], "packets"], "bytes": sums[acl["name"], "bytes"]}
        for acl in sorted(found["acls"], key=_order)
    ]
    rows = [(*acl_row(rule), rule["packets"], rule["bytes"]) for rule in rules]
    show(rules, output, lambda: table((*HEADS, "packets", "bytes"), rows, f"no ACLs in {network}"))


def draw_policies(network: dict[str, Any]) -> None:
    """The policies of a network, for `tulle network show`."""
    groups = [(f"@{one['name']}", one["ports"]) for one in network.get("port_groups", ())]
    sets = [(f"${one['name']}", one["addresses"]) for one in network.get("address_sets", ())]
    if groups or sets:
        table(["name", "stands for"], [*groups, *sets], "")
    table(HEADS, [acl_row(acl) for acl in sorted(network["acls"], key=_order)], "no acls")
    if network.get("default_deny"):
        line(f"dropped unless a rule allows it: {', '.join(network['default_deny'])}")


def acl_row(acl: dict[str, Any]) -> tuple[object, ...]:
    """A rule as a row of a table."""
    tier, priority = acl.get("tier", 0), acl["priority"]
    return acl["name"], acl["direction"], _place(acl), tier, priority, acl["match"], _action(acl)


def _order(acl: dict[str, Any]) -> tuple[object, ...]:
    return acl["direction"], acl.get("tier", 0), -acl["priority"], acl["name"]


def _place(acl: dict[str, Any]) -> str:
    return next(f"{kind} {acl[kind]}" for kind in ("switch", "port", "group") if acl.get(kind))


def _action(acl: dict[str, Any]) -> str:
    audit = " (audit)" if acl.get("audit") else ""
    return f"{acl['action']}{audit}" + (f", log {acl['log']}/s" if acl.get("log") else "")


def counted(rows: list[dict[str, Any]], kind: str) -> Counter[tuple[str, str]]:
    """Sums over all nodes, by rule of a kind and unit."""
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["kind"] == kind:
            for unit in ("packets", "bytes"):
                found[row["name"], unit] += row[unit]
    return found
