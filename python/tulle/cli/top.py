"""`tulle top`: which ports and rules are busy, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Final

import typer

from .completion import network_names
from .context import client
from .output import Format, Output, show, table
from .totals import KINDS

Document = dict[str, Any]
Counted = dict[tuple[str, str, str], tuple[int, int]]
HEADS: Final = ("network", "kind", "name", "packets/s", "Mbit/s", "packets")


def top(
    context: typer.Context,
    network: Annotated[
        str | None, typer.Argument(metavar="[NETWORK]", help="Default: all.", autocompletion=network_names)
    ] = None,
    interval: Annotated[float, typer.Option("--interval", min=0.5, max=60, help="In seconds.")] = 2.0,
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="How many times; 0: until interrupted.")
    ] = 0,
    lines: Annotated[int, typer.Option("--lines", min=1, max=1000, help="How many lines.")] = 20,
    output: Output = Format.TABLE,
) -> None:
    """Show the busiest ports and rules, again and again until interrupted.

    A port's packets are those that it sent and those that it was given.

    tulle top shop --interval 1

    tulle top -n 1 -o json
    """
    tulle = client(context)
    before, since = _counted(tulle.counters(network)), time.monotonic()
    live = output is Format.TABLE and sys.stdout.isatty()
    done = 0
    while count == 0 or done < count:
        time.sleep(interval)
        now, at = _counted(tulle.counters(network)), time.monotonic()
        rows = busiest(before, now, at - since)[:lines]
        if live:
            sys.stdout.write("\x1b[H\x1b[2J")
        show(rows, output, partial(_draw, rows))
        sys.stdout.flush()
        before, since, done = now, at, done + 1


def busiest(before: Counted, now: Counted, seconds: float) -> list[Document]:
    """Rates of everything counted, busiest first; what is new counts from nothing."""
    found = []
    for key, (packets, size) in now.items():
        old_packets, old_size = before.get(key, (0, 0))
        network, kind, name = key
        found.append(
            {
                "network": network,
                "kind": kind,
                "name": name,
                "packets_s": round(max(0, packets - old_packets) / seconds, 1),
                "bits_s": round(8 * max(0, size - old_size) / seconds),
                "packets": packets,
            }
        )
    return sorted(found, key=lambda one: (-one["bits_s"], -one["packets_s"], one["network"], one["name"]))


def _counted(rows: Iterable[Document]) -> Counted:
    """Sums over nodes."""
    out: Counted = {}
    for one in rows:
        if one["kind"] in KINDS:
            continue  # whatever passes them passes ports
        key = (one["network"], one["kind"], one["name"])
        packets, size = out.get(key, (0, 0))
        out[key] = (packets + one["packets"], size + one["bytes"])
    return out


def _draw(rows: list[Document]) -> None:
    cells = [
        (
            one["network"],
            one["kind"],
            one["name"],
            f"{one['packets_s']:.1f}",
            f"{one['bits_s'] / 1e6:.2f}",
            one["packets"],
        )
        for one in rows
    ]
    table(HEADS, cells, "nothing has been counted yet")
