"""`tulle doctor`: what is wrong with a deployment."""

from __future__ import annotations

from typing import Any, Final

import typer

from .context import client
from .output import Format, Output, line, show, waiting

STYLES: Final = {"error": "red", "warning": "yellow", "ok": "green"}


def doctor(context: typer.Context, output: Output = Format.TABLE) -> None:
    """Look for what is wrong: silent or slow nodes, ways that do not carry full packets, wrong flows, clocks, releases.

    Every node compares the flows of its switch with what a full computation gives, and mends them.
    Exits with 1 if there is an error.
    """
    with waiting("asking the nodes"):
        found = client(context).doctor()
    show(found, output, lambda: _draw(found["findings"]))
    if any(one["level"] == "error" for one in found["findings"]):
        raise typer.Exit(1)


def _draw(findings: list[dict[str, Any]]) -> None:
    for one in findings:
        line(f"{one['level']:8} {one['about']}: {one['says']}", STYLES.get(one["level"]))
