"""Speed of the control plane, paired with OVN of Debian on the same machine, one after the other.

One network of 10,000 ports (100 switches of 100, ten routers and a backbone, 10 ACLs a switch) with 50 ports plugged
in on one node.  A time is that until the switch has the flows: `wait` of ours, `--wait=hv` of theirs; of neither the
start of a client is counted.  Prints a table and writes bench/results/control.json.
Needs root and a machine that does nothing else; takes about 6 minutes, `--quick` (1,000 ports) about one.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import orjson
from controlling import theirs
from controlling.deployment import Deployment
from controlling.rows import deployment_rows, history_rows
from rich.console import Console
from switching.figures import Figure, kept, markdown, table

RESULTS = Path(__file__).parent / "results" / "control.json"
WIDTH = 150
RUNS, QUICK_RUNS = 3, 1
QUICK = Deployment(routers=2, switches=5, bound=10)
Row = Callable[[Path, int, Deployment, Callable[[str], None]], list[Figure]]
ROWS: dict[str, Row] = {
    "deployment": deployment_rows,
    "history": lambda directory, runs, _deployment, tell: history_rows(directory, runs, tell),
}


def main() -> int:
    """Measures, prints, writes; 1 if a row failed."""
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    if lacking := theirs.missing():
        console.print(f"[red]not installed:[/] {', '.join(lacking)}; make packages")
        return 1
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    load = os.getloadavg()[0]
    figures, failures = measure(console, options.rows, runs, QUICK if options.quick else Deployment())
    console.print(table(figures, f"Control plane, medians of {runs}; load at the start {load:.1f}", "OVN"))
    if options.markdown:
        print(markdown(figures, "OVN"))
    for row, reason in failures.items():
        console.print(f"[red]{row} failed:[/] {reason}", highlight=False)
    if not options.quick:
        write(figures)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 ports, one run, without results")
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/performance.md too")
    parser.add_argument("--runs", type=int, help="how many runs")
    names = ", ".join(ROWS)
    parser.add_argument(
        "--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW", help=names
    )
    return parser.parse_args()


def measure(
    console: Console, rows: list[str], runs: int, deployment: Deployment
) -> tuple[list[Figure], dict[str, str]]:
    """The figures of all rows that could be measured, and why others could not."""
    figures: list[Figure] = []
    failures: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="tulle-control-") as place,
        console.status("", refresh_per_second=1) as status,
    ):
        for row in rows:
            try:
                figures += ROWS[row](Path(place) / row, runs, deployment, status.update)
            except Exception as error:
                failures[row] = f"{type(error).__name__}: {error}"
                console.print(f"[dim]{traceback.format_exc()}[/]", highlight=False)
    return figures, failures


def write(figures: list[Figure]) -> None:
    """Keep what was measured, and what an earlier run found in rows that this one left out."""
    RESULTS.parent.mkdir(exist_ok=True)
    before = orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    results = {part: {**before.get(part, {}), **found} for part, found in kept(figures).items()}
    RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
