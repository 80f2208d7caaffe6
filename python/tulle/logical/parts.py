"""A document cut into parts that are named by their content, so that documents which share share parts.

The members of each list of the document (switches, ports, ACLs, …) hang in a tree by the hash of their name, those
of a switch beside one another: which shape it has follows from the members alone, not from their history.  So two
documents that differ in one port of a thousand, or in one switch with all that is on it, differ in one leaf or branch
and in the few parts above it.  Compare: Merkle, "A Digital Signature
Based on a Conventional Encryption Function" (1987), and the objects of git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import Struct

from tulle.errors import InvalidInput

from .snapshot import IDENTITIES, Document

LEAF_MAX: Final = 16
"""How many members a leaf holds before it becomes sixteen."""
BY_SWITCH: Final = frozenset({"ports", "acls"})
SWITCH_DIGITS: Final = 2
"""How much of where a member hangs is its switch's."""
NAME_BYTES: Final = 16
_DEPTH_MAX: Final = 2 * NAME_BYTES


class Part(Struct, frozen=True):
    """Canonical JSON, and the names of the parts that it speaks of."""

    content: str
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The hash of the content: 32 hexadecimal digits."""
        return blake2b(self.content.encode(), digest_size=NAME_BYTES).hexdigest()


def cut(document: Document) -> tuple[str, dict[str, Part]]:
    """The name of the root part, and all parts by name."""
    made: dict[str, Part] = {}
    lists = {
        key: list_tree(key, document[key], made) for key in sorted(document) if is_list(key, document[key])
    }
    rest = {key: value for key, value in document.items() if key not in lists}
    return add_part(made, {"lists": lists, "rest": rest}, tuple(lists.values())), made


def joined(root: str, part: Callable[[str], Part | None]) -> Document:
    """The document of a root; InvalidInput when a part is missing or is not what its name says."""
    content = _content(root, part)
    try:
        lists = {key: sorted(_members(name, part), key=_by(key)) for key, name in content["lists"].items()}
        return {**content["rest"], **lists}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidInput(f"part {root} is not the root of a network: {error!r}") from None


def is_list(key: str, value: object) -> bool:
    """Whether a member of a document is a list that is cut."""
    return key in IDENTITIES and isinstance(value, list)


def _by(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda member: member[IDENTITIES[key]]


def list_tree(key: str, members: list[Document], made: dict[str, Part]) -> str:
    """The name of the tree of a list; its parts are added to `made`."""
    texts = sorted(
        (place_of(key, member), msgspec.json.encode(member, order="sorted").decode()) for member in members
    )
    return _branch(texts, 0, made)


def _branch(texts: list[tuple[str, str]], depth: int, made: dict[str, Part]) -> str:
    if len(texts) <= LEAF_MAX or depth >= _DEPTH_MAX:
        return add_part(made, {"members": [msgspec.Raw(text.encode()) for _, text in texts]})
    twigs: dict[str, list[tuple[str, str]]] = {}
    for text in texts:
        twigs.setdefault(text[0][depth], []).append(text)
    branches = {digit: _branch(found, depth + 1, made) for digit, found in twigs.items()}
    return add_part(made, {"branches": branches}, tuple(branches.values()))


def add_part(made: dict[str, Part], content: Document, parts: tuple[str, ...] = ()) -> str:
    """Add a part to those that are made; its name."""
    text = msgspec.json.encode(content, order="sorted").decode()
    part = Part(text, tuple(sorted(set(parts))))
    made[part.name] = part
    return part.name


def _members(name: str, part: Callable[[str], Part | None], depth: int = 0) -> Iterator[Document]:
    content = _content(name, part)
    yield from content.get("members", ())
    if depth <= _DEPTH_MAX:
        for branch in content.get("branches", {}).values():
            yield from _members(branch, part, depth + 1)


def _content(name: str, part: Callable[[str], Part | None]) -> Document:
    found = part(name)
    if found is None:
        raise InvalidInput(f"part {name} is missing")
    if found.name != name:
        raise InvalidInput(f"part {name} is damaged: its content has the name {found.name}")
    content: Document = msgspec.json.decode(found.content)
    return content


def place_of(key: str, member: Mapping[str, Any]) -> str:
    """Where a member of a list hangs in its tree, in hexadecimal digits."""
    digits = _hash_of(member[IDENTITIES[key]])
    if key not in BY_SWITCH:
        return digits
    return _hash_of(member.get("switch") or "")[:SWITCH_DIGITS] + digits[SWITCH_DIGITS:]


def _hash_of(name: str) -> str:
    return blake2b(name.encode(), digest_size=NAME_BYTES).hexdigest()
