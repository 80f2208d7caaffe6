"""A bar chart of single-flow throughput on both wires, as SVG: no library for forty rectangles."""

from __future__ import annotations

import statistics
from html import escape

from tunnelling.report import Figures
from tunnelling.ways import WAYS

ROW, BAR, LEFT, WIDTH, TOP = 34, 13, 290, 860, 56
COLOURS = {"A": "#3366aa", "B": "#dd8833"}
NAMES = {"A": "wire A: all offloads", "B": "wire B: no segmentation of tunnels"}


def svg(figures: Figures, column: str = "tcp1") -> str:
    """The chart as text."""
    ways = [name for name in WAYS if any(name in rows for rows in figures.values())]
    medians = {
        (wire, name): statistics.median(rows[name][column])
        for wire, rows in figures.items()
        for name in ways
        if rows.get(name, {}).get(column)
    }
    longest = max(medians.values(), default=1)
    height = TOP + ROW * len(ways) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="20" font-size="15">TCP, one flow, Gbit/s (medians)</text>',
    ]
    for number, wire in enumerate(figures):
        x = LEFT + number * 200
        parts.append(f'<rect x="{x}" y="30" width="12" height="12" fill="{COLOURS[wire]}"/>')
        parts.append(f'<text x="{x + 18}" y="41">{NAMES[wire]}</text>')
    for row, name in enumerate(ways):
        y = TOP + row * ROW
        parts.append(f'<text x="10" y="{y + 18}">{escape(WAYS[name][0])}</text>')
        for number, wire in enumerate(figures):
            if (value := medians.get((wire, name))) is not None:
                parts += _bar(y + number * (BAR + 1), value, longest, COLOURS[wire])
    return "\n".join([*parts, "</svg>", ""])


def _bar(y: float, value: float, longest: float, colour: str) -> list[str]:
    width = (WIDTH - LEFT - 60) * value / longest
    return [
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<text x="{LEFT + width + 6:.1f}" y="{y + BAR - 2}" font-size="11">{value:.2f}</text>',
    ]
