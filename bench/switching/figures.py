"""What was measured: one figure a line, ours and the peer's, and how it is shown and kept."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rich.table import Table


class NotYet(RuntimeError):
    """Our switch cannot do yet what the row is about; the message says what is missing."""


@dataclass(frozen=True)
class Line:
    """One line of the table.

    The promise `target` is about the ratio of ours to theirs or, where `is_ratio` is false, about our own figure.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    target: float | None = None
    is_ratio: bool = True


@dataclass
class Figure:
    """A line and its values, one a run; the n-th of ours and the n-th of theirs were measured side by side."""

    line: Line
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    note: str = ""

    def add(self, switch: str, value: float) -> None:
        """One more run of `ours` or `theirs`."""
        (self.ours if switch == "ours" else self.theirs).append(value)

    @property
    def runs(self) -> list[float]:
        """What the promise is about, run by run."""
        if not self.line.is_ratio:
            return self.ours
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=False)]

    @property
    def value(self) -> float | None:
        """The median run."""
        return statistics.median(self.runs) if self.runs else None

    @property
    def is_met(self) -> bool | None:
        """Whether the promise is kept, where there is one and it could be measured."""
        if self.value is None or self.line.target is None:
            return None
        return (
            self.value >= self.line.target if self.line.better == "higher" else self.value <= self.line.target
        )


def kept(figures: Iterable[Figure]) -> dict[str, dict[str, Any]]:
    """What goes into the results: the promises as `ratios`, and the `figures` behind them."""
    ratios: dict[str, Any] = {}
    behind: dict[str, Any] = {}
    for figure in figures:
        line = figure.line
        if figure.value is not None:
            ratios[line.name] = {
                "value": _rounded(figure.value),
                "target": line.target,
                "better": line.better,
                "runs": [_rounded(run) for run in figure.runs],
            }
        behind[line.name] = {
            "unit": line.unit,
            "ours": [_rounded(value) for value in figure.ours],
            "theirs": [_rounded(value) for value in figure.theirs],
        }
    return {"ratios": ratios, "figures": behind}


def table(figures: Sequence[Figure], title: str, peer: str = "ovs-vswitchd") -> Table:
    """For people: medians, the figure that the promise is about in green or red, and its spread."""
    shown = Table(title=title)
    for heading in ("", "unit", peer, "ours", "ratio", "target", "spread", "note"):
        justify: Literal["left", "right"] = "left" if heading in ("", "unit", "note") else "right"
        shown.add_column(heading, justify=justify, overflow="fold")
    for figure in figures:
        line = figure.line
        style = {True: "green", False: "red", None: "default"}[figure.is_met]
        ours = _median(figure.ours)
        ratio = _shown(figure.value) if line.is_ratio else ""
        shown.add_row(
            line.title,
            line.unit,
            _median(figure.theirs),
            ours if line.is_ratio else f"[{style}]{ours}[/]",
            f"[{style}]{ratio}[/]",
            _target(line),
            _spread(figure),
            figure.note,
        )
    return shown


def markdown(figures: Sequence[Figure], peer: str = "ovs-vswitchd") -> str:
    """The same table for docs/performance.md; a promise that is not kept is in bold."""
    rows = [
        f"| | unit | {peer} | ours | ratio | target | spread |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        line = figure.line
        mark = "**" if figure.is_met is False else ""
        ours = _median(figure.ours)
        cells = [
            line.title,
            line.unit,
            _median(figure.theirs),
            ours if line.is_ratio else f"{mark}{ours}{mark}",
            f"{mark}{_shown(figure.value)}{mark}" if line.is_ratio and figure.runs else "",
            _target(line),
            _spread(figure),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _spread(figure: Figure) -> str:
    runs = figure.runs
    return f"{_shown(min(runs))} to {_shown(max(runs))}" if len(runs) > 1 else ""


def _target(line: Line) -> str:
    if line.target is None:
        return ""
    return f"{'at least' if line.better == 'higher' else 'at most'} {line.target:,g}"


def _median(values: list[float]) -> str:
    return _shown(statistics.median(values)) if values else ""


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if value < 1e6 else round(value)
