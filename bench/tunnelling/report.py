"""The table, the ratios and the plot of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from tunnelling.ways import WAYS
from tunnelling.wires import Wire

Runs = list[float]
Figures = dict[Wire, dict[str, dict[str, Runs]]]
"""Wire -> path -> column -> a value for each run."""


@dataclass(frozen=True)
class Promise:
    """A ratio of one path to another, run by run."""

    name: str
    wire: Wire
    column: str
    path: str
    peer: str
    target: float
    better: Literal["higher", "lower"] = "higher"


PROMISES = (
    Promise("stt_to_kernel_vxlan_wire_b_one_flow", "B", "tcp1", "stt", "kernel-vxlan", 1.5),
    Promise("stt_to_kernel_vxlan_wire_b_four_flows", "B", "tcp4", "stt", "kernel-vxlan", 1.5),
    Promise("stt_to_ovs_vxlan_one_flow", "A", "tcp1", "stt", "ovs-vxlan", 10),
    Promise("stt_to_bridge_one_flow", "A", "tcp1", "stt", "bridge", 0.8),
    Promise("vxlan_to_kernel_vxlan_wire_a_one_flow", "A", "tcp1", "vxlan", "kernel-vxlan", 0.8),
    Promise("geneve_to_kernel_vxlan_wire_a_one_flow", "A", "tcp1", "geneve", "kernel-vxlan", 0.8),
    Promise("gre_to_ovs_gre_one_flow", "A", "tcp1", "gre", "ovs-gre", 4),
    Promise("stt_cpu_per_gbit_to_bridge", "A", "cpu", "stt", "bridge", 1.2, "lower"),
)
COLUMNS = {
    "tcp1": ("1 flow", "Gbit/s"),
    "tcp4": ("4 flows", "Gbit/s"),
    "both": ("4+4 both ways", "Gbit/s"),
    "cpu": ("machine busy", "s/10 Gbit"),
    "switch": ("switches busy", "s/10 Gbit"),
    "requests": ("requests", "1/s"),
    "latency": ("half of them within", "µs"),
    "small": ("64 bytes", "1/s"),
    "lost": ("lost", "%"),
}


def ratios(figures: Figures) -> dict[str, dict[str, Any]]:
    """What was promised, as far as both paths were measured."""
    found: dict[str, dict[str, Any]] = {}
    for promise in PROMISES:
        rows = figures.get(promise.wire, {})
        ours, theirs = (rows.get(path, {}).get(promise.column, []) for path in (promise.path, promise.peer))
        runs = [round(a / b, 3) for a, b in zip(ours, theirs, strict=False) if b]
        if runs:
            value = statistics.median(runs)
            found[promise.name] = {
                "value": value,
                "target": promise.target,
                "better": promise.better,
                "runs": runs,
            }
    return found


def table(rows: Mapping[str, Mapping[str, Runs]], title: str) -> Table:
    """Medians for people."""
    shown = Table(title=title)
    shown.add_column("")
    for heading, unit in COLUMNS.values():
        shown.add_column(f"{heading}\n{unit}", justify="right")
    for name, columns in rows.items():
        shown.add_row(WAYS[name][0], *(_median(columns.get(column, [])) for column in COLUMNS))
    return shown


def markdown(rows: Mapping[str, Mapping[str, Runs]]) -> str:
    """The same with the spread of single flows, for docs/performance.md."""
    headings = [f"{heading}, {unit}" for heading, unit in COLUMNS.values()]
    lines = [f"| path | {' | '.join(headings)} |", f"|---|{'---|' * len(headings)}"]
    for name, columns in rows.items():
        cells = [_with_spread(columns.get(column, [])) for column in COLUMNS]
        lines.append(f"| {WAYS[name][0]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _median(runs: Runs) -> str:
    return _shown(statistics.median(runs)) if runs else ""


def _with_spread(runs: Runs) -> str:
    if len(runs) < 2:
        return _median(runs)
    return f"{_median(runs)} ({_shown(min(runs))} to {_shown(max(runs))})"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
