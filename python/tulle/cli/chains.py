"""`tulle chain …` and `tulle mirror list`: service chains, how their appliances are, and what has passed."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import orjson
import typer

from tulle.errors import NotFound

from .completion import chain_names
from .context import DryRun, Message, NetworkName, Timeout, Wait, client, finish_change
from .output import Format, Output, line, show, table

app = typer.Typer(no_args_is_help=True, help="Appliances that packets pass on their way.")
mirrors = typer.Typer(no_args_is_help=True, help="Copies of what ports send and are delivered.")
ChainName = Annotated[
    str,
    typer.Argument(metavar="CHAIN", help="The name of a chain of that network.", autocompletion=chain_names),
]
HEADS = ("chain", "at", "direction", "match", "appliances", "fail", "state", "packets", "bytes")
Document = dict[str, Any]


@app.command("list")
def list_chains(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the chains of a network, whether packets pass them, and how many have gone in, both ways.

    tulle chain list shop
    """
    found = _chains(context, network)
    show(found, output, lambda: table(HEADS, [_row(one) for one in found], f"no chains in {network}"))


@app.command("show")
def show_chain(
    context: typer.Context,
    network: NetworkName,
    chain: Annotated[str | None, typer.Argument(metavar="[CHAIN]", help="Default: all.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the appliances of chains in their order: ports, node, and whether they work.

    tulle chain show shop web-guard
    """
    found = [one for one in _chains(context, network) if chain in (None, one["name"])]
    if chain is not None and not found:
        raise NotFound(f"no chain {chain!r} in network {network}")
    show(found, output, lambda: _draw(found, network))


@app.command("insert")
def insert(
    context: typer.Context,
    network: NetworkName,
    chain: ChainName,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Put a chain in the path of its packets; established connections go on through it.

    tulle chain insert shop web-guard -m 'log4j'
    """
    answer = _set_idle(context, network, chain, idle=False, dry_run=dry_run, message=message)
    done = f"inserted {chain}"
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=done)
    if not dry_run and output is Format.TABLE:
        state = next(one["state"] for one in _chains(context, network) if one["name"] == chain)
        line(f"{chain}: {state}")


@app.command("remove")
def remove(
    context: typer.Context,
    network: NetworkName,
    chain: ChainName,
    dry_run: DryRun = False,
    message: Message = "",
    wait: Wait = True,
    timeout: Timeout = 30.0,
    output: Output = Format.TABLE,
) -> None:
    """Take a chain out of the path; it stays declared, `insert` puts it back, and nothing under way is lost.

    tulle chain remove shop web-guard
    """
    answer = _set_idle(context, network, chain, idle=True, dry_run=dry_run, message=message)
    done = f"took {chain} out of the path"
    finish_change(context, answer, output, wait=wait, timeout_s=timeout, done=done)


@mirrors.command("list")
def list_mirrors(context: typer.Context, network: NetworkName, output: Output = Format.TABLE) -> None:
    """List the mirrors of a network, where their copies go, and how many there were.

    tulle mirror list shop
    """
    tulle = client(context)
    found = tulle.show_network(network)["network"].get("mirrors", [])
    counted = _counted(tulle.counters(network), "mirror")
    listed = [{**one, **_counts(counted, one["name"])} for one in found]
    rows = [
        (one["name"], _place(one), one["direction"], _target(one), one["packets"], one["bytes"])
        for one in listed
    ]
    heads = ("mirror", "of", "direction", "to", "packets", "bytes")
    show(listed, output, lambda: table(heads, rows, f"no mirrors in {network}"))


def _chains(context: typer.Context, network: str) -> list[Document]:
    """The chains of a network with their appliances, states and counters."""
    tulle = client(context)
    shown = tulle.show_network(network)
    document, bound = shown["network"], shown["bound"]
    said = {(one["name"], one["node"]): one["state"] for one in tulle.appliances(network)}
    counted = _counted(tulle.counters(network), "chain")
    appliances = {one["name"]: _appliance(one, bound, said) for one in document.get("appliances", ())}
    return [
        {
            **chain,
            "appliances": (own := [appliances[name] for name in chain["appliances"]]),
            "state": chain_state(chain, own),
            **_counts(counted, chain["name"]),
        }
        for chain in document.get("chains", ())
    ]


def _appliance(one: Document, bound: Document, said: dict[tuple[str, str], str]) -> Document:
    node = bound.get(one["in"]) if one.get("out") is None or bound.get(one["out"]) else None
    state = "not bound" if node is None else said.get((one["name"], node), "not heard of")
    return {**one, "node": node, "state": state, "listens": one.get("out") is None}


def chain_state(chain: Document, appliances: list[Document]) -> str:
    """Whether packets pass a chain, in words."""
    if chain.get("idle"):
        return "idle"
    if waiting := [one["name"] for one in appliances if one["state"] == "not heard of"]:
        return f"waits for {', '.join(waiting)}"
    failing = [one["name"] for one in appliances if one["state"] != "up"]
    if not failing:
        return "in the path"
    names = ", ".join(failing)
    return (
        f"closed: {names} {'is' if len(failing) == 1 else 'are'} down"
        if chain["fail"] == "closed"
        else f"open: past {names}"
    )


def _set_idle(
    context: typer.Context, network: str, chain: str, *, idle: bool, dry_run: bool, message: str
) -> Document:
    tulle = client(context)
    shown = tulle.show_network(network)
    document = shown["network"]
    found = [one for one in document.get("chains", ()) if one["name"] == chain]
    if not found:
        raise NotFound(f"no chain {chain!r} in network {network}")
    found[0]["idle"] = idle
    text = orjson.dumps({"networks": [document]}).decode()
    expected = {network: shown["generation"]}
    return tulle.apply(text, "chain", dry_run=dry_run, message=message, expected=expected)


def _draw(found: list[Document], network: str) -> None:
    for chain in found:
        line(f"{chain['name']}: {_place(chain)}, {chain['direction']}, {chain['match']}")
        line(f"  {chain['state']}; fails {chain['fail']}; {chain['packets']} packets, {chain['bytes']} bytes")
        rows = [
            (one["name"], one["in"], one.get("out") or "(listens)", one["node"] or "", one["state"])
            for one in chain["appliances"]
        ]
        table(("appliance", "in", "out", "node", "state"), rows, "no appliances")
    if not found:
        line(f"no chains in {network}")


def _row(chain: Document) -> tuple[object, ...]:
    names = " -> ".join(one["name"] for one in chain["appliances"])
    words = (chain["name"], _place(chain), chain["direction"], chain["match"], names, chain["fail"])
    return (*words, chain["state"], chain["packets"], chain["bytes"])


def _place(one: Document) -> str:
    return next(f"{kind} {one[kind]}" for kind in ("switch", "port") if one.get(kind))


def _target(mirror: Document) -> str:
    if mirror.get("to"):
        return f"port {mirror['to']}"
    return f"{mirror['remote']} by {mirror['encapsulation']}, key {mirror['key']}"


def _counts(counted: Counter[tuple[str, str]], name: str) -> dict[str, int]:
    return {unit: counted[name, unit] for unit in ("packets", "bytes")}


def _counted(rows: list[Document], kind: str) -> Counter[tuple[str, str]]:
    """Sums over all nodes, by name and unit."""
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["kind"] == kind:
            for unit in ("packets", "bytes"):
                found[row["name"], unit] += row[unit]
    return found
