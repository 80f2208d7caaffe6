"""Typed reading of a tree: what is not as expected becomes a complaint with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tulle.errors import InvalidInput

from . import tree
from .spelling import nearest

COMPLAINTS_MAX: Final = 20
NULLS: Final = ("", "~", "null")
BOOLEANS: Final = {"true": True, "false": False}


class Complaints:
    """All that is wrong with a file, up to a bound; refused together at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, message: str) -> None:
        """Note one."""
        self._found.append((line, message))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._found)

    def began(self, node: tree.Tree, what: str, known: Sequence[str]) -> None:
        """A mapping is about to be read; for those who want to know what is read (see `file_schema`)."""

    def asked(self, what: str, key: str, kind: str, facts: object = None) -> None:
        """A key of a mapping is read, as a value of this kind."""

    def refuse(self) -> None:
        """Raise InvalidInput if there is any complaint, in the order of lines."""
        ordered = sorted(set(self._found))
        if not ordered:
            return
        lines = [message for _, message in ordered[:1]]
        lines += [f"{self._name}:{line}: {message}" for line, message in ordered[1:COMPLAINTS_MAX]]
        if len(ordered) > COMPLAINTS_MAX:
            lines.append(f"and {len(ordered) - COMPLAINTS_MAX} more")
        raise InvalidInput("\n".join(lines), where=f"{self._name}:{ordered[0][0]}")


class Section:
    """One mapping of the document whose keys are known."""

    def __init__(self, node: tree.Tree, what: str, known: Sequence[str], complaints: Complaints) -> None:
        self.what = what
        self.line = node.line
        self._complaints = complaints
        self._items: dict[str, tree.Tree] = {}
        complaints.began(node, what, known)
        if isinstance(node, tree.Mapping):
            self._items = node.items
            self._refuse_unknown(node, known)
        else:
            complaints.add(
                node.line, f"{what}: a mapping with {', '.join(known)} was expected, {_shown(node)} came"
            )

    def text(self, key: str) -> str:
        """A text that must be there."""
        found = self.optional_text(key)
        self._complaints.asked(self.what, key, "needed")
        if found is None:
            self._complaints.add(self.line, f"{self.what}: {key} is missing")
        return found or ""

    def optional_text(self, key: str) -> str | None:
        """A text, or None where it is absent or null."""
        self._complaints.asked(self.what, key, "text")
        node = self._present(key)
        return None if node is None else self._scalar(key, node)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """A list of texts, or None where it is absent or null."""
        self._complaints.asked(self.what, key, "texts")
        if self._present(key) is None:
            return None
        return tuple(self._scalar(key, node) for node in self.items(key))

    def integer(self, key: str, default: int | None, low: int, high: int) -> int:
        """A whole number within bounds; no default means that it must be there."""
        self._complaints.asked(self.what, key, "integer", (low, high))
        text = self.optional_text(key) if default is not None else self.text(key)
        if text is None:
            return default or low
        if text and not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            self._wrong(key, f"a number from {low} to {high}", self._items[key])
            return low
        return int(text or low)

    def boolean(self, key: str) -> bool:
        """`true` or `false`; absent means false."""
        self._complaints.asked(self.what, key, "boolean")
        text = self.optional_text(key)
        if text is not None and text not in BOOLEANS:
            self._wrong(key, "true or false", self._items[key])
        return BOOLEANS.get(text or "", False)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """One of a few words; it must be there."""
        self._complaints.asked(self.what, key, "choice", tuple(choices))
        text = self.text(key)
        if text not in choices:
            if key in self._items:
                self._wrong(key, " or ".join(choices), self._items[key])
            return choices[0]
        return text

    def items(self, key: str) -> Iterator[tree.Tree]:
        """The members of a list; absent and null are empty."""
        self._complaints.asked(self.what, key, "list")
        node = self._present(key)
        if isinstance(node, tree.Sequence):
            yield from node.items
        elif node is not None:
            self._wrong(key, "a list", node)

    def child(self, key: str) -> tree.Tree | None:
        """What is under a key, or None where it is absent or null."""
        self._complaints.asked(self.what, key, "child")
        return self._present(key)

    def line_of(self, key: str) -> int:
        """Where the value of a key stands."""
        return self._items[key].line if key in self._items else self.line

    def _present(self, key: str) -> tree.Tree | None:
        node = self._items.get(key)
        is_null = isinstance(node, tree.Scalar) and not node.quoted and node.text in NULLS
        return None if is_null else node

    def _scalar(self, key: str, node: tree.Tree) -> str:
        if isinstance(node, tree.Scalar):
            return node.text
        self._wrong(key, "a text", node)
        return ""

    def _wrong(self, key: str, expected: str, node: tree.Tree) -> None:
        self._complaints.add(node.line, f"{self.what}: {key}: {expected} was expected, {_shown(node)} came")

    def _refuse_unknown(self, node: tree.Mapping, known: Sequence[str]) -> None:
        for key in node.items:
            if key not in known:
                hint = nearest(key, known) or f"; known are {', '.join(known)}"
                self._complaints.add(node.key_lines[key], f"{self.what}: unknown key {key[:60]!r}{hint}")


def _shown(node: tree.Tree) -> str:
    if isinstance(node, tree.Scalar):
        return repr(node.text[:60])
    return "a list" if isinstance(node, tree.Sequence) else "a mapping"
