"""Runs os-ken's switch test suite against Debian's Open vSwitch or `tulle vswitch`.

    python tests/interop/switch_conformance.py --target tulle --only action/ --out results.json

The tester switch is always Debian's.  Needs root, for a network namespace that it makes and removes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from switch_arena import Arena, Lane
from switch_osken import CaseFile, OsKen, Outcome, link_cases, outcomes

DEBIAN_RESULTS = Path(__file__).with_name("switch_conformance_debian.json")
OWN_RESULTS = Path(__file__).with_name("switch_conformance_tulle.json")
"""The actions and matches that pass on `tulle vswitch` besides those."""
INTERVAL_S = {"ovs": 1, "tulle": 0}
"""Between two cases.  Open vSwitch forwards by its old cache for some milliseconds after a flow has changed, and
has answered the barrier by then; so its cache is left to expire first, see `Arena`.  Ours gets no such respite."""
RATE_GROUPS = ("group", "meter")
RATE_LANES = 2
"""Cases of these groups measure rates: more of them at once would measure the machine."""

RATE_NICENESS = -15
"""The suite sends at its nominal rate only while it gets the processor every 10 ms."""


def run(kind: str, files: Sequence[CaseFile], osken: OsKen, jobs: int) -> list[Outcome]:
    """All cases of these files against one kind of target, `ovs` or `tulle`."""
    directory = Path(tempfile.mkdtemp(prefix="tulle-conformance-"))
    arena = Arena(f"tulle-of-{os.getpid()}", directory, kind, jobs)
    try:
        quick = [file for file in files if file.group not in RATE_GROUPS]
        rates = [file for file in files if file.group in RATE_GROUPS]
        found = _run_lanes(arena, osken, quick, arena.lanes)
        return found + _run_lanes(arena, osken, rates, arena.lanes[:RATE_LANES])
    finally:
        arena.close()


def _run_lanes(arena: Arena, osken: OsKen, files: Sequence[CaseFile], lanes: Sequence[Lane]) -> list[Outcome]:
    shares = share(files, len(lanes))
    with ThreadPoolExecutor(len(lanes)) as pool:
        parts = pool.map(lambda lane, part: _run_lane(arena, osken, lane, part), lanes, shares)
        return [outcome for part in parts for outcome in part]


def _run_lane(arena: Arena, osken: OsKen, lane: Lane, files: Sequence[CaseFile]) -> list[Outcome]:
    if not files:
        return []
    with tempfile.TemporaryDirectory(dir=arena.directory) as folder:
        cases = Path(folder) / "cases"
        link_cases(files, cases)
        urgency = RATE_NICENESS if any(file.group in RATE_GROUPS for file in files) else 0
        command = ["nice", "-n", str(urgency), "ip", "netns", "exec", arena.controller_namespace]
        command += osken.tester(lane, cases, INTERVAL_S[arena.kind])
        limit_s = 60 + 4 * sum(file.seconds + 3 * len(file.cases) for file in files)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
            log = done.stderr
        except subprocess.TimeoutExpired as late:
            log = (late.stderr or b"").decode(errors="replace")
        if os.environ.get("TULLE_OSKEN_LOG"):
            (Path(os.environ["TULLE_OSKEN_LOG"]) / f"lane{lane.index}.log").write_text(log)
        return list(outcomes(log, files))


def share(files: Iterable[CaseFile], count: int) -> list[list[CaseFile]]:
    """The files dealt out so that every share takes about as long."""
    shares: list[list[CaseFile]] = [[] for _ in range(count)]
    loads = [0.0] * count
    for file in sorted(files, key=lambda one: -one.seconds):
        least = loads.index(min(loads))
        shares[least].append(file)
        loads[least] += file.seconds
    return shares


def chosen(files: Iterable[CaseFile], only: Sequence[str]) -> list[CaseFile]:
    """The files whose path in the suite begins with one of `only`, such as `action/` or `match/03`."""
    return [file for file in files if not only or any(_inside(file).startswith(prefix) for prefix in only)]


def _inside(file: CaseFile) -> str:
    parts = file.path.parts
    return "/".join(parts[parts.index("of13") + 1 :])


def summary(found: Iterable[Outcome]) -> str:
    """Groups with passed of total, and every failing case with its reason."""
    found = list(found)
    totals = Counter(outcome.file.partition(":")[0] for outcome in found)
    passed = Counter(outcome.file.partition(":")[0] for outcome in found if outcome.passed)
    lines = [f"{group:<8} {passed[group]:>4} of {totals[group]}" for group in sorted(totals)]
    lines += [f"FAIL {one.key}\n     {one.reason}" for one in found if not one.passed]
    return "\n".join([*lines, f"{sum(passed.values())} of {len(found)} pass"])


def main() -> int:
    """Run from the command line; the status is 1 where a case fails that has to pass."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", choices=("ovs", "tulle"), default="tulle")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PREFIX", help="as action/25 or match/"
    )
    parser.add_argument("--jobs", type=int, default=8, help="how many cases run at once")
    parser.add_argument("--out", type=Path, help="where to write the outcome of each case, as JSON")
    options = parser.parse_args()
    osken = OsKen()
    osken.install()
    found = run(options.target, chosen(osken.case_files(), options.only), osken, options.jobs)
    found.sort(key=lambda outcome: outcome.key)
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    print(summary(found))
    return 1 if regressions(found, options.target) else 0


def regressions(found: Iterable[Outcome], kind: str = "tulle") -> list[Outcome]:
    """The cases that fail though Debian's switch passes them, or `tulle vswitch` did where it is the target."""
    files = [DEBIAN_RESULTS, OWN_RESULTS] if kind == "tulle" else [DEBIAN_RESULTS]
    good = {key for file in files for key in msgspec.json.decode(file.read_bytes(), type=list[str])}
    return [outcome for outcome in found if not outcome.passed and outcome.key in good]


if __name__ == "__main__":
    sys.exit(main())
