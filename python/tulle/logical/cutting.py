"""Networks cut into parts (see `parts`), each time only where they differ from the time before.

The trees of the lists are kept as they were cut last; a member that is another one costs the few parts above it.
The result is that of `parts.cut` for the document of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tulle.values import Network

from .differing import differing
from .parts import LEAF_MAX, Part, add_part, is_list, list_tree, place_of
from .snapshot import LISTS, Document, document_of

Texts = Mapping[str, str]
"""Canonical JSON of members by the hash of their name."""
Made = dict[str, Part]


class Branch:
    """A part of a tree: `texts` of a leaf, or `twigs` by the next digit."""

    def __init__(self, name: str, texts: Texts | None, twigs: Mapping[str, Branch]) -> None:
        self.name, self.twigs = name, twigs
        self._texts = texts
        self.count: int = len(texts) if texts is not None else sum(one.count for one in twigs.values())

    def all_texts(self) -> dict[str, str]:
        """Those of all members."""
        if self._texts is not None:
            return dict(self._texts)
        return {digest: text for one in self.twigs.values() for digest, text in one.all_texts().items()}


def grown(texts: Texts, depth: int, made: Made) -> Branch:
    """The tree of these members; its parts are added to `made`."""
    if len(texts) <= LEAF_MAX:
        members = [msgspec.Raw(texts[digest].encode()) for digest in sorted(texts)]
        return Branch(add_part(made, {"members": members}), texts, {})
    twigs: dict[str, dict[str, str]] = {}
    for digest in sorted(texts):
        twigs.setdefault(digest[depth], {})[digest] = texts[digest]
    return _joined({digit: grown(found, depth + 1, made) for digit, found in twigs.items()}, made)


def changed(branch: Branch, gone: Iterable[str], come: Texts, depth: int, made: Made) -> Branch:
    """The tree without the members of some hashes and with others; only new parts are added to `made`."""
    gone = set(gone)
    if not branch.twigs:
        kept = {digest: text for digest, text in branch.all_texts().items() if digest not in gone}
        return grown({**kept, **come}, depth, made)
    twigs = dict(branch.twigs)
    for digit in {digest[depth] for digest in (*gone, *come)}:
        less = {one for one in gone if one[depth] == digit}
        more = {digest: text for digest, text in come.items() if digest[depth] == digit}
        twig = twigs.pop(digit, None)
        found = grown(more, depth + 1, made) if twig is None else changed(twig, less, more, depth + 1, made)
        if found.count:
            twigs[digit] = found
    if sum(one.count for one in twigs.values()) > LEAF_MAX:
        return _joined(twigs, made)
    return grown({d: text for one in twigs.values() for d, text in one.all_texts().items()}, depth, made)


def _joined(twigs: Mapping[str, Branch], made: Made) -> Branch:
    names = {digit: twig.name for digit, twig in twigs.items()}
    return Branch(add_part(made, {"branches": names}, tuple(names.values())), None, twigs)


class Cutter:
    """Cuts one network again and again."""

    def __init__(self) -> None:
        self._last: Network | None = None
        self._root = ""
        self._trees: dict[str, Branch] = {}
        self._more: dict[str, Branch] = {}

    def cut(self, network: Network, more: Document, is_kept: Callable[[str], bool]) -> tuple[str, Made]:
        """The name of the root of the network's document with `more` in it, and all parts that may not be kept yet.

        `is_kept` says whether the part of a name is there, with all parts that it speaks of.
        """
        made: Made = {}
        last = self._last if self._last is not None and is_kept(self._root) else Network(network.name)
        if last is not self._last:
            self._trees = {name: grown({}, 0, made) for name in LISTS}
        trees = {name: self._tree(name, last, network, made) for name in LISTS}
        skeleton = {**document_of(replace(network, **dict.fromkeys(LISTS, ()))), **more}
        for key in more:
            self._more[key] = _regrown(self._more.get(key), _hashed(key, more[key]), is_kept, made)
        lists = {
            key: self._more[key].name if key in more else list_tree(key, skeleton[key], made)
            for key in skeleton
            if is_list(key, skeleton[key])
        }
        lists |= {name: trees[name].name for name in LISTS if trees[name].count or name in skeleton}
        lists = {name: lists[name] for name in sorted(lists)}
        rest = {key: value for key, value in skeleton.items() if key not in lists}
        root = add_part(made, {"lists": lists, "rest": rest}, tuple(lists.values()))
        if not more:
            self._last, self._root, self._trees = network, root, trees
        return root, made

    def _tree(self, name: str, old: Network, new: Network, made: Made) -> Branch:
        gone, come = differing(getattr(old, name), getattr(new, name))
        if not gone and not come:
            return self._trees[name]
        texts = _texts(name, new, tuple(come))
        less = [place_of(name, msgspec.structs.asdict(one)) for one in gone]
        return changed(self._trees[name], less, texts, 0, made)


def _texts(name: str, network: Network, members: tuple[Any, ...]) -> dict[str, str]:
    bare = replace(Network(network.name), **{name: members})
    return _hashed(name, document_of(bare).get(name, []))


def _hashed(name: str, members: list[Document]) -> dict[str, str]:
    return {place_of(name, one): msgspec.json.encode(one, order="sorted").decode() for one in members}


def _regrown(branch: Branch | None, texts: Texts, is_kept: Callable[[str], bool], made: Made) -> Branch:
    """The tree of these members, out of a former one whose parts are kept."""
    if branch is None or not is_kept(branch.name):
        return grown(texts, 0, made)
    before = branch.all_texts()
    come = {digest: text for digest, text in texts.items() if before.get(digest) != text}
    return changed(branch, before.keys() - texts.keys(), come, 0, made) if come or before != texts else branch
