"""How answers look: tables for people, JSON and YAML for programs, errors in one line each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from tulle.errors import TulleError

PIPE_WIDTH: Final = 1000


class Format(StrEnum):
    """What an answer is for."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[
    Format,
    typer.Option("--output", "-o", help="A table for people, JSON or YAML for programs.", show_default=True),
]


def show(answer: Any, output: Format, draw: Callable[[], None]) -> None:
    """Print the answer as JSON or YAML, or call `draw` to print it for people."""
    if output is Format.TABLE:
        draw()
        return
    if output is Format.YAML:
        import yaml

        sys.stdout.write(yaml.safe_dump(answer, sort_keys=False, allow_unicode=True, width=110))
        return
    import orjson

    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], empty: str, title: str | None = None
) -> None:
    """Print a table, or the sentence `empty` when there are no rows."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = [[Text(cell_text(cell)) for cell in row] for row in rows]
    if not found:
        line(empty)
        return
    shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for head in heads:
        shown.add_column(head, overflow="fold")
    for cells in found:
        shown.add_row(*cells)
    _console().print(shown)


def cell_text(value: object) -> str:
    """A value as a person reads it in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def line(text: str, style: str | None = None) -> None:
    """Print one line; styles show on a terminal only."""
    from rich.text import Text

    _console().print(Text(text, style=style or ""), soft_wrap=True)


def print_error(error: TulleError) -> None:
    """Print `error[code]: where: message` to standard error, each further complaint on its own line."""
    head, *others = str(error).splitlines() or [""]
    lines = [f"error[{error.code}]: {head}"]
    lines += [other if other.startswith(" ") else f"error[{error.code}]: {other}" for other in others]
    print("\n".join(lines), file=sys.stderr)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal that something is waited for."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def _console() -> Any:
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)
