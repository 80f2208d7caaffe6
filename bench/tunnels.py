"""Tunnels and bridges between two hosts on this machine, ours beside the kernel's and Open vSwitch's.

Two hosts are network namespaces with a veth wire of MTU 1500 between them and four workloads each.  Wire A has all
offloads; wire B cuts TCP but no tunnels, as the network cards of 2012 did.  Runs of all ways alternate, so that a
change of the machine's speed meets all of them alike.  Prints tables and writes bench/results/tunnels.json and
docs/tunnels.svg.  Needs root, two processors and a machine that does nothing else; takes about 25 minutes, `--quick`
under 3.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import orjson
from rich.console import Console
from switching import load
from tunnelling import loads, wires
from tunnelling.plot import svg
from tunnelling.report import Figures, markdown, ratios, table
from tunnelling.ways import QUICK, WAYS, Way, way
from tunnelling.wires import WIRES, Wire

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "tunnels.json"
PLOT = ROOT / "docs" / "tunnels.svg"
WIDTH = 150
Load = Callable[[Way, int], dict[str, float]]
EVERYWHERE: tuple[Load, ...] = (loads.tcp_one, loads.tcp_four, loads.tcp_both_ways)
ON_WIRE_A: tuple[Load, ...] = (loads.requests, loads.small_packets, loads.lost)
"""What does not depend on how the wire cuts."""


def main() -> int:
    """Measures, prints, writes; 1 if a way could not be built."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    load.build()
    figures, failures = measure(console, options)
    for wire, rows in figures.items():
        console.print(table(rows, f"Wire {wire}, medians of {options.runs}"))
        if options.markdown:
            print(markdown(rows))
    for name, ratio in ratios(figures).items():
        console.print(f"{name}: {ratio['value']} (target {ratio['target']})", highlight=False)
    for name, reason in failures.items():
        console.print(f"[red]{name} failed:[/] {reason}", highlight=False)
    if not options.quick:
        write(figures)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five ways, one run, no results")
    parser.add_argument("--runs", type=int, help="how many runs of each")
    parser.add_argument(
        "--seconds", type=int, help="how long each load lasts; iperf3 knows whole seconds only"
    )
    parser.add_argument("--wires", nargs="+", choices=WIRES, default=list(WIRES))
    names = ", ".join(WAYS)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), metavar="WAY", help=f"only these: {names}")
    parser.add_argument(
        "--markdown", action="store_true", help="print the tables for docs/performance.md too"
    )
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 2)
    return options


def measure(console: Console, options: argparse.Namespace) -> tuple[Figures, dict[str, str]]:
    """The figures of all ways that could be built, and why others could not."""
    names = options.ways or (list(QUICK) if options.quick else list(WAYS))
    figures: Figures = {wire: {} for wire in options.wires}
    failures: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="tulle-bench-") as place,
        console.status("", refresh_per_second=1) as status,
        ExitStack() as stack,
    ):
        ways = []
        for name in names:
            status.update(f"building {name}")
            try:
                built = stack.enter_context(way(name, Path(place)))
                loads.wait_for_all(built)
                ways.append(built)
            except RuntimeError as error:
                failures[name] = str(error)
        for run in range(options.runs):
            for wire in options.wires:
                for built in ways if run % 2 == 0 else reversed(ways):
                    status.update(f"run {run + 1} of {options.runs}, wire {wire}: {built.name}")
                    _measure_one(built, wire, options.seconds, figures, failures)
    return figures, failures


def _measure_one(built: Way, wire: Wire, seconds: int, figures: Figures, failures: dict[str, str]) -> None:
    wires.use(built.rig, wire)
    built.wait_until_known(wire)
    columns = figures[wire].setdefault(built.name, {})
    for work in (*EVERYWHERE, *(ON_WIRE_A if wire == "A" else ())):
        try:
            for column, value in work(built, seconds).items():
                columns.setdefault(column, []).append(value)
        except Exception as error:
            failures[f"{built.name}, {work.__name__}"] = f"{type(error).__name__}: {error}"


def write(figures: Figures) -> None:
    """Keep the ratios with the figures behind them, and draw the plot."""
    RESULTS.parent.mkdir(exist_ok=True)
    rounded = {
        wire: {
            name: {column: [round(value, 3) for value in runs] for column, runs in columns.items()}
            for name, columns in rows.items()
        }
        for wire, rows in figures.items()
    }
    # Others keep rows there too, and not all ways need be measured.
    before = orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    kept = before.get("figures", {})
    results = {
        "ratios": {**before.get("ratios", {}), **ratios(figures)},
        "figures": {**kept, **{wire: {**kept.get(wire, {}), **rows} for wire, rows in rounded.items()}},
    }
    RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")
    PLOT.write_text(svg({wire: results["figures"][wire] for wire in figures}))


if __name__ == "__main__":
    sys.exit(main())
