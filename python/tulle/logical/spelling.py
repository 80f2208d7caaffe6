"""How names are written, and what somebody may have meant who wrote a word that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is near."""
    found = get_close_matches(word[:100], list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def valid_name(name: str) -> bool:
    """Whether a name is 1-63 of a-z, 0-9 and dash, and begins with a letter or digit."""
    return NAME.fullmatch(name) is not None
