"""What the demo prints: tables, one line a check, and at the end whether all was as expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table


class Report:
    """Prints, and remembers every check that failed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failures: list[str] = []
        self.checks = 0

    def title(self, text: str) -> None:
        """Begins a section."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Prints a table."""
        table = Table(*columns, header_style="bold", box=None, pad_edge=False, padding=(0, 2))
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def check(self, what: str, ok: bool, saw: str = "") -> None:
        """One expectation: `what` should be so, and this is what was seen."""
        self.checks += 1
        mark = "[green]ok[/green]  " if ok else "[red]FAIL[/red]"
        self.console.print(f"  {mark} {what}" + (f" [dim]({saw})[/dim]" if saw else ""), highlight=False)
        if not ok:
            self.failures.append(f"{what}: {saw}" if saw else what)

    @contextmanager
    def progress(self, text: str) -> Iterator[None]:
        """Shows that something takes its time; nothing but a line where there is no terminal."""
        if not self.console.is_terminal:
            self.console.print(f"[dim]{text} ...[/dim]", highlight=False)
            yield
            return
        with self.console.status(text):
            yield
