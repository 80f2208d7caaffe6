"""Speed of our switch, paired with Debian's ovs-vswitchd with its userspace datapath on the same machine.

Both run side by side in network namespaces; each row's runs alternate between them, with the same load.
A row that fails says so and leaves the others alone.  Prints a table and writes bench/results/vswitch.json.
Needs root, two processors and a machine that does nothing else; takes about 12 minutes, `--quick` about 2.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import orjson
from rich.console import Console
from switching import connections, explosion, in_memory, load, loading, packets, pause, setup
from switching.bench import FULL, QUICK, Bench, Size
from switching.figures import Figure, NotYet, kept, markdown, table

RESULTS = Path(__file__).parent / "results" / "vswitch.json"
# Of a table that goes to a file.
WIDTH = 150
ROWS: dict[str, Callable[[Bench], list[Figure]]] = {
    "packets": packets.measure,
    "setup": setup.measure,
    "plain": loading.plain,
    "bundle": loading.bundle,
    "connections": connections.measure,
    "explosion": explosion.measure,
    "pause": pause.measure,
    "in-memory": in_memory.measure,
}


def main() -> int:
    """Measures, prints, writes; 1 if a row failed."""
    options = _options()
    size = QUICK if options.quick else FULL
    if options.runs:
        size = Size(options.runs, options.runs, size.seconds, size.flows, size.is_quick)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    with console.status("building", refresh_per_second=1):
        load.build()
        if "in-memory" in options.rows:
            in_memory.build()
    figures, failures = measure(console, options.rows, size)
    console.print(table(figures, f"Switches, medians of {size.runs}"))
    if options.markdown:
        print(markdown(figures))
    for row, reason in failures.items():
        console.print(f"[red]{row} failed:[/] {reason}", highlight=False)
    if not options.quick:
        write(figures)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of each, without results")
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/performance.md too")
    parser.add_argument("--runs", type=int, help="how many runs")
    names = ", ".join(ROWS)
    parser.add_argument(
        "--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW", help=names
    )
    return parser.parse_args()


def measure(console: Console, rows: list[str], size: Size) -> tuple[list[Figure], dict[str, str]]:
    """The figures of all rows that could be measured, and why others could not."""
    figures: list[Figure] = []
    failures: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="tulle-bench-") as place,
        console.status("", refresh_per_second=1) as status,
    ):
        for row in rows:
            bench = Bench(size, Path(place) / row, lambda text, row=row: status.update(f"{row}: {text}"))  # type: ignore[misc]
            try:
                figures += ROWS[row](bench)
            except NotYet as reason:
                console.print(f"{row} is not measured: {reason}", highlight=False)
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
