"""Figures without devices: the criterion benches of the crates, and what criterion found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from switching import load
from switching.bench import Bench
from switching.figures import Figure, Line

NS_PER_S = 1e9
TIMES = ("--warm-up-time", "1", "--measurement-time", "3")
QUICK = ("--quick",)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of a crate, `identity` as criterion knows it; `name` with its unit goes into the results."""

    package: str
    program: str
    identity: str
    name: str
    title: str
    unit: Literal["ns", "1/s"]
    target: float | None = None

    def line(self) -> Line:
        """Its line in the table."""
        name = self.name + ("_ns" if self.unit == "ns" else "_per_second")
        better: Literal["higher", "lower"] = "lower" if self.unit == "ns" else "higher"
        return Line(name, self.title, self.unit, better, self.target, is_ratio=False)

    def estimates(self) -> Path:
        """Where criterion writes what it found."""
        return load.TARGET / "criterion" / self.identity / "new" / "estimates.json"


_ROUND = "in memory: 64 bytes parsed, looked up, through"
_PACKET = ("tulle-datapath", "packet")
_TABLES = ("tulle-datapath", "tables")
_LOOKUP = ("tulle-classifier", "lookup")
_TRACK = ("tulle-conntrack", "conntrack")
_KNOWN, _NEW = "established tcp, 1 of 1,000,000", "new tcp connection committed"
BENCHMARKS = (
    Benchmark(*_PACKET, "packet/stt_1", "memory_stt_1_flow", f"{_ROUND} STT and back, 1 flow", "ns", 300),
    Benchmark(
        *_PACKET,
        "packet/stt_10000",
        "memory_stt_10000_flows",
        f"{_ROUND} STT and back, 10,000 flows",
        "ns",
        300,
    ),
    Benchmark(
        *_PACKET, "packet/vxlan_1", "memory_vxlan_1_flow", f"{_ROUND} VXLAN and back, 1 flow", "ns", 300
    ),
    Benchmark(
        *_PACKET,
        "packet/vxlan_10000",
        "memory_vxlan_10000_flows",
        f"{_ROUND} VXLAN and back, 10,000 flows",
        "ns",
        300,
    ),
    Benchmark(
        *_LOOKUP, "classifier/lookup", "memory_lookup", "in memory: lookup, 100,000 flows, 50 masks", "ns"
    ),
    Benchmark(
        *_LOOKUP,
        "classifier/lookup_without_match",
        "memory_lookup_without_match",
        "in memory: the same, nothing matches",
        "ns",
    ),
    Benchmark(
        *_TABLES,
        "tables/miss_20_tables",
        "memory_misses",
        "in memory: cache misses through 20 tables",
        "1/s",
        200_000,
    ),
    Benchmark(
        *_TRACK,
        _KNOWN,
        "memory_known_connection",
        "in memory: ct() of a TCP connection among a million",
        "ns",
    ),
    Benchmark(*_TRACK, _NEW, "memory_new_connection", "in memory: ct(commit) of a new TCP connection", "ns"),
)


def build() -> None:
    """Build the benchmarks."""
    for package, program in _programs():
        load.cargo("bench", "-p", package, "--bench", program, "--no-run")


def measure(bench: Bench) -> list[Figure]:
    """Runs each program once; criterion repeats by itself."""
    figures = []
    for package, program in _programs():
        bench.tell(f"criterion: {package} {program}")
        wanted = [one for one in BENCHMARKS if (one.package, one.program) == (package, program)]
        for one in wanted:
            one.estimates().unlink(missing_ok=True)
        load.cargo(
            "bench", "-p", package, "--bench", program, "--", *(QUICK if bench.size.is_quick else TIMES)
        )
        figures += [found(one) for one in wanted]
    return figures


def _programs() -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.package, one.program) for one in BENCHMARKS))


def found(benchmark: Benchmark) -> Figure:
    """What criterion has written: the estimate and its 95 % interval stand for three runs."""
    file = benchmark.estimates()
    if not file.exists():
        return Figure(benchmark.line(), note="no such benchmark")
    estimate = json.loads(file.read_text())["median"]
    interval = estimate["confidence_interval"]
    values = [interval["lower_bound"], estimate["point_estimate"], interval["upper_bound"]]
    if benchmark.unit == "1/s":
        values = [NS_PER_S / value for value in values]
    return Figure(benchmark.line(), ours=values)
