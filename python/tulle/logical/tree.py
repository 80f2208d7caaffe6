"""YAML text as a tree of mappings, lists and scalars that remember their lines.

Scalars stay text: what type one has is for the reader to say, so `02:00:00:00:00:01` is no number
in base sixty and `no` is no boolean.  Anchors, aliases, tags and several documents are refused,
and so is what is too deep or too large.  Not a general YAML loader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from tulle.errors import InvalidInput

DEPTH_MAX: Final = 20
TEXT_MAX: Final = 16 * 1024 * 1024
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Scalar:
    """Text and whether it was quoted."""

    line: int
    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Sequence:
    """A list."""

    line: int
    items: list[Tree] = field(default_factory=list)


@dataclass(frozen=True)
class Mapping:
    """Keys with their own lines, and values."""

    line: int
    items: dict[str, Tree] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)


Tree = Scalar | Sequence | Mapping


def parse_tree(text: str, name: str) -> Tree:
    """The one document in `text`; `name` is the file's name for errors (InvalidInput)."""
    if len(text) > TEXT_MAX:
        raise InvalidInput(f"at most {TEXT_MAX} characters were expected, {len(text)} came", where=name)
    try:
        return _Builder(name).build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise InvalidInput(f"not YAML: {error.problem or error.context}", where=where) from None
    except (yaml.YAMLError, UnicodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"not YAML: {error}", where=name) from None


class _Builder:
    """Builds the tree from parser events with a stack of its own, so depth costs no recursion."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stack: list[tuple[Sequence | Mapping, list[Scalar]]] = []
        self._root: Tree | None = None

    def build(self, text: str) -> Tree:
        for event in yaml.parse(text, Loader=_LOADER):
            self._take(event, event.start_mark.line + 1 if event.start_mark else 1)
        if self._root is None:
            raise InvalidInput("a mapping was expected, an empty document came", where=self._name)
        return self._root

    def _take(self, event: yaml.Event, line: int) -> None:
        if isinstance(event, yaml.NodeEvent):
            self._refuse_extras(event, line)
        if isinstance(event, yaml.ScalarEvent):
            self._add(Scalar(line, event.value, quoted=event.style is not None))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(Sequence(line))
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(Mapping(line))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._add(self._stack.pop()[0])

    def _refuse_extras(self, event: yaml.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            raise self._bad(line, "anchors and aliases are not accepted")
        if getattr(event, "tag", None) is not None:
            raise self._bad(line, "tags are not accepted")
        if self._root is not None:
            raise self._bad(line, "one document was expected, another one begins here")

    def _open(self, tree: Sequence | Mapping) -> None:
        if len(self._stack) >= DEPTH_MAX:
            raise self._bad(tree.line, f"nested deeper than {DEPTH_MAX}")
        self._stack.append((tree, []))

    def _add(self, tree: Tree) -> None:
        if not self._stack:
            self._root = tree
            return
        parent, pending = self._stack[-1]
        if isinstance(parent, Sequence):
            parent.items.append(tree)
        elif pending:
            parent.items[pending.pop().text] = tree
        else:
            self._expect_value(parent, pending, tree)

    def _expect_value(self, parent: Mapping, pending: list[Scalar], key: Tree) -> None:
        if not isinstance(key, Scalar):
            raise self._bad(key.line, "a plain key was expected")
        if key.text in parent.key_lines:
            before = parent.key_lines[key.text]
            raise self._bad(key.line, f"key {key.text[:60]!r} is here twice, first in line {before}")
        parent.key_lines[key.text] = key.line
        pending.append(key)

    def _bad(self, line: int, message: str) -> InvalidInput:
        return InvalidInput(message, where=f"{self._name}:{line}")
