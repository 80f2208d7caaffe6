"""`make demo`: builds the two-tenant lab, shows it, checks it, takes it down; exit code 1 on failure."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from tulle.errors import TulleError
from tulle.lab import lifecycle
from tulle.lab.demo import isolation, moving, overview, policy, reachability, rollback, throughput
from tulle.lab.demo.report import Report
from tulle.lab.demo.scene import Scene
from tulle.lab.state import Lab
from tulle.logical import parse_file

EXAMPLE = Path(__file__).parents[4] / "examples" / "two-tenants.yaml"
SECTIONS = (overview, reachability, isolation, policy, throughput, rollback, moving)


def main() -> int:
    """Runs the demo; 0 if all was as expected."""
    options = _options()
    report = Report(Console())
    started = time.monotonic()
    try:
        lab = _up(options.file, report)
    except TulleError as error:
        report.console.print(f"[red]error[{error.code}][/red]: {error}", highlight=False)
        for note in getattr(error, "__notes__", []):
            report.console.print(note, style="dim", highlight=False, markup=False)
        return 1
    try:
        _show(lab, report)
    finally:
        if options.keep:
            report.console.print(
                "\nThe lab runs on; try `.venv/bin/tulle lab show`, end it by `.venv/bin/tulle lab down`."
            )
        else:
            lifecycle.down(lab)
    return _conclude(report, time.monotonic() - started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    parser.add_argument("--file", type=Path, default=EXAMPLE, help="the lab file")
    return parser.parse_args()


def _up(file: Path, report: Report) -> Lab:
    report.title(f"Building the lab from {file.name}")
    with report.console.status("building") as status:
        return lifecycle.up(file, report=lambda text: status.update(text))


def _show(lab: Lab, report: Report) -> None:
    text = Path(lab.file).read_text()
    networks = parse_file(text, lab.file).networks
    with lifecycle.client(lab) as client:
        scene = Scene(lab=lab, text=text, networks=networks, client=client)
        for section in SECTIONS:
            try:
                section.show(scene, report)
            except TulleError as error:
                report.check(f"section {section.__name__.rpartition('.')[2]}", False, str(error))


def _conclude(report: Report, took_s: float) -> int:
    good = report.checks - len(report.failures)
    report.title(f"{good} of {report.checks} checks as expected, in {took_s:.0f} s")
    for failure in report.failures:
        report.console.print(f"  [red]not as expected[/red]: {failure}", highlight=False)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
