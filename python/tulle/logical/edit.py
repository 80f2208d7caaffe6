"""A few members of a network put or removed, without a look at the others.

An edit says in the words of the network file what is other than before; what results is what a file with the
whole network and these members would give, but for the addresses that a member without any is given.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable
from itertools import chain, groupby
from typing import Any, Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

from tulle.errors import InvalidInput, NotFound
from tulle.values import Network

from . import tree
from .differing import differing
from .file_network import read_network
from .fill import with_addresses
from .neighbours import Neighbours
from .reader import Complaints
from .rules import problems
from .rules_changed import is_sound_change
from .snapshot import document_of
from .spelling import nearest

KINDS: Final = {
    "switch": "switches",
    "router": "routers",
    "port": "ports",
    "acl": "acls",
    "load balancer": "load_balancers",
    "appliance": "appliances",
    "chain": "chains",
    "mirror": "mirrors",
}
PROBLEMS_SHOWN: Final = 20


class Edit(Struct, frozen=True):
    """A member by kind and name: `values` are what it is to have (None: as if never said), None removes it."""

    kind: str
    name: str
    values: dict[str, Any] | None = None


def edited(network: Network, edits: Iterable[Edit], usual: Callable[[Network], Network]) -> Network:
    """The network, whose members are in the order of their names, after the edits; it may be contradictory.

    `usual` brings what is inside of a network's members into its usual order.
    NotFound when a member to remove is not there; InvalidInput when the values are none of a member.
    """
    for (kind, is_removal), several in groupby(edits, lambda edit: (edit.kind, edit.values is None)):
        if kind not in KINDS:
            raise InvalidInput(f"one of {', '.join(KINDS)} was expected, {kind!r} came")
        if is_removal:
            network = _without(network, kind, [edit.name for edit in several])
            continue
        for edit in several:
            network = _put(network, edit, edit.values or {}, usual)
    return network


def refuse_unsound(
    old: Network, new: Network, nodes: Collection[str], neighbours: Neighbours | None = None
) -> None:
    """InvalidInput if `new`, made of the sound network `old` by edits, is contradictory or names unknown nodes.

    `neighbours` as in `is_sound_change`.
    """
    _, come = differing(old.ports, new.ports)
    if is_sound_change(old, new, neighbours) and all(
        one.node in nodes for one in come if one.node is not None
    ):
        return
    found = problems(new, sorted(nodes))
    if found:
        raise InvalidInput("\n".join(f"network {new.name}: {one.message}" for one in found[:PROBLEMS_SHOWN]))


def _without(network: Network, kind: str, names: Iterable[str]) -> Network:
    members = getattr(network, KINDS[kind])
    gone: set[int] = set()
    for name in names:
        at = _place(members, name)
        if at in gone or not _is_at(members, at, name):
            left = [one.name for place, one in enumerate(members) if place not in gone]
            raise NotFound(f"no {kind} {name!r} in network {network.name}{nearest(name, left)}")
        gone.add(at)
    ends = (*sorted(gone), len(members))
    begins = (0, *(at + 1 for at in ends))
    kept = chain.from_iterable(members[begin:end] for begin, end in zip(begins, ends, strict=False))
    return replace(network, **{KINDS[kind]: tuple(kept)})


def _put(
    network: Network, edit: Edit, values: dict[str, Any], usual: Callable[[Network], Network]
) -> Network:
    key = KINDS[edit.kind]
    members = getattr(network, key)
    at = _place(members, edit.name)
    is_there = _is_at(members, at, edit.name)
    before = document_of(replace(Network(network.name), **{key: (members[at],)}))[key][0] if is_there else {}
    merged = {**before, **values, "name": edit.name}
    wanted = {name: value for name, value in merged.items() if value is not None}
    member = getattr(usual(_read(network.name, key, wanted)), key)[0]
    made = replace(network, **{key: (*members[:at], member, *members[at + is_there :])})
    if edit.kind == "port" and "addresses" not in wanted:
        made = _given_addresses(made, at, edit.name)
    return made


def _read(network: str, key: str, document: dict[str, Any]) -> Network:
    text = orjson.dumps({"name": network, key: [document]}).decode()
    complaints = Complaints("change")
    found = read_network(tree.parse_tree(text, "change"), complaints)
    complaints.refuse()
    return found


def _given_addresses(network: Network, at: int, name: str) -> Network:
    """Only the port itself is another object than before."""
    addresses = with_addresses(network, {name}).ports[at].addresses
    filled = replace(network.ports[at], addresses=addresses)
    return replace(network, ports=(*network.ports[:at], filled, *network.ports[at + 1 :]))


def _place(members: tuple[Any, ...], name: str) -> int:
    return bisect_left(members, name, key=lambda one: one.name)


def _is_at(members: tuple[Any, ...], at: int, name: str) -> bool:
    return at < len(members) and bool(members[at].name == name)
