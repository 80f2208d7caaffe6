"""The number of something by its full name."""

from __future__ import annotations

from collections.abc import Mapping

from tulle.errors import NotFound


def number(numbers: Mapping[str, int], name: str) -> int:
    """NotFound where none is allocated yet."""
    try:
        return numbers[name]
    except KeyError:
        raise NotFound(f"no number is allocated for {name}") from None
