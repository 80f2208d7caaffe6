"""A switch that knows 500,000 remote endpoints and 1,000,000 (network, MAC), beside one that knows 1,000 of these.

Runs of both sizes alternate (`crates/datapath/examples/endpoints.rs`).  Prints a table and adds its rows to
bench/results/tunnels.json.  Times are processor time; needs 1.5 GB of memory and takes about a minute, `--quick`
a third of that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from switching import load
from switching.figures import Figure, Line, kept
from switching.spaces import command

RESULTS = Path(__file__).parent / "results" / "tunnels.json"
FEW, MANY = 1000, 1_000_000
RUN_S = 600
LOOKUP = Line(
    "endpoints_lookup_1000000_to_1000", "lookup through the tables, to a random MAC", "ns", "lower", 2
)
PACKET = Line(
    "endpoints_packet_1000000_to_1000", "packet to a random MAC, verdicts remembered", "ns", "lower"
)
MEMORY = Line("endpoints_bytes_an_entry", "memory of an entry", "bytes", "lower", is_ratio=False)
LOADING = Line("endpoints_load_s", "loading all entries", "s", "lower", is_ratio=False)


def main() -> int:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run, without results")
    parser.add_argument("--runs", type=int, default=3, help="how many runs")
    options = parser.parse_args()
    load.cargo("build", "--release", "-p", "tulle-datapath", "--example", "endpoints")
    figures = measure(1 if options.quick else options.runs)
    Console().print(table(figures))
    if not options.quick:
        write(figures)
    return 0


def measure(runs: int) -> list[Figure]:
    """Each line; `ours` is the large switch and `theirs` the small one."""
    lookup, packet, memory, loading = (Figure(line) for line in (LOOKUP, PACKET, MEMORY, LOADING))
    for _ in range(runs):
        few, many = run(FEW), run(MANY)
        for figure, key in ((lookup, "lookup_ns"), (packet, "packet_ns")):
            figure.add("ours", statistics.median(many[key]))
            figure.add("theirs", statistics.median(few[key]))
        memory.add("ours", many["bytes_an_entry"])
        loading.add("ours", many["load_ns"] / 1e9)
    return [lookup, packet, memory, loading]


def run(entries: int) -> dict[str, Any]:
    """What a switch with so many entries told, in a process of its own."""
    program = str(load.TARGET / "release" / "examples" / "endpoints")
    told: dict[str, Any] = json.loads(command(program, str(entries), timeout_s=RUN_S))
    return told


def table(figures: list[Figure]) -> Table:
    """Medians for people."""
    shown = Table(title="500,000 endpoints, 1,000,000 (network, MAC)")
    for heading in ("", "unit", "1,000", "1,000,000", "ratio", "target"):
        shown.add_column(heading, justify="left" if heading in ("", "unit") else "right")
    for figure in figures:
        line = figure.line
        medians = [
            f"{statistics.median(values):,.4g}" if values else "" for values in (figure.theirs, figure.ours)
        ]
        ratio = f"{figure.value:.2f}" if line.is_ratio and figure.value is not None else ""
        style = {True: "green", False: "red", None: "default"}[figure.is_met]
        target = "" if line.target is None else f"at most {line.target:g}"
        shown.add_row(line.title, line.unit, *medians, f"[{style}]{ratio}[/]", target)
    return shown


def write(figures: list[Figure]) -> None:
    """Add to the results of the tunnels what was measured."""
    RESULTS.parent.mkdir(exist_ok=True)
    before = orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    found = {part: {**before.get(part, {}), **rows} for part, rows in kept(figures).items()}
    RESULTS.write_bytes(orjson.dumps({**before, **found}, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
