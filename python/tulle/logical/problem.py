"""A contradiction in a network, and where it is.

A path leads to the culprit the way the document is nested, e.g. `("ports", 2, "mac")`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from msgspec import Struct

Path = tuple[str | int, ...]


class Problem(Struct, frozen=True):
    """`message` says what was expected and what came."""

    path: Path
    message: str


def repeated(what: str, found: Iterable[tuple[Path, Hashable]]) -> Iterator[Problem]:
    """A problem for each value that was there before; `what` begins its message."""
    seen: set[Hashable] = set()
    for path, value in found:
        if value in seen:
            shown = value[-1] if isinstance(value, tuple) else value
            yield Problem(path, f"{what} {shown} is used twice")
        seen.add(value)
