"""What somebody may have meant who wrote a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is near."""
    found = get_close_matches(word[:100], list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
