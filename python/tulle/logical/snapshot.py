"""A network as a canonical document (what a snapshot keeps), and how two networks differ.

A document is made of dicts, lists, texts and numbers only, and equal networks have equal ones.
Rolling back means putting the network of a snapshot in place of the current one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.values import Change, LogicalSwitch, Network

from .differing import differing
from .document_insertion import insertion_documents
from .document_policy import without_defaults
from .document_routing import routed_document, with_matches
from .match import emit_match, parse_match
from .rules import problems

Document = dict[str, Any]
LISTS: Final = (
    *("switches", "routers", "ports", "acls", "port_groups", "address_sets", "load_balancers"),
    *("appliances", "chains", "mirrors"),
)
# By what the members of a list are told apart; lists that are not here are compared whole.
IDENTITIES: Final = {
    "switches": "name",
    "routers": "name",
    "ports": "name",
    "acls": "name",
    "port_groups": "name",
    "address_sets": "name",
    "appliances": "name",
    "chains": "name",
    "mirrors": "name",
    "routes": "prefix",
    "nat": "name",
    "policies": "name",
    "load_balancers": "name",
    "numbers": "name",
}


def ordered(network: Network) -> Network:
    """The same network with its members in the order of their names."""
    routers = tuple(
        replace(
            router,
            ports=tuple(sorted(router.ports, key=lambda one: one.name)),
            routes=tuple(sorted(router.routes, key=lambda one: one.prefix)),
            nat=tuple(sorted(router.nat, key=lambda one: one.name)),
            policies=tuple(sorted(router.policies, key=lambda one: one.name)),
        )
        for router in sorted(network.routers, key=lambda one: one.name)
    )
    return replace(
        network,
        switches=tuple(_ordered(one) for one in sorted(network.switches, key=lambda one: one.name)),
        routers=routers,
        ports=tuple(sorted(network.ports, key=lambda one: one.name)),
        acls=tuple(sorted(network.acls, key=lambda one: one.name)),
        port_groups=tuple(sorted(network.port_groups, key=lambda one: one.name)),
        address_sets=tuple(sorted(network.address_sets, key=lambda one: one.name)),
        load_balancers=tuple(sorted(network.load_balancers, key=lambda one: one.name)),
        appliances=tuple(sorted(network.appliances, key=lambda one: one.name)),
        chains=tuple(sorted(network.chains, key=lambda one: one.name)),
        mirrors=tuple(sorted(network.mirrors, key=lambda one: one.name)),
    )


def _ordered(switch: LogicalSwitch) -> LogicalSwitch:
    if switch.dhcp is None:
        return switch
    routes = tuple(sorted(switch.dhcp.routes, key=lambda one: one.prefix))
    return replace(switch, dhcp=replace(switch.dhcp, routes=routes))


def document_of(network: Network) -> Document:
    """The canonical document of a network."""
    made: Document = msgspec.json.decode(msgspec.json.encode(ordered(network)))
    if not network.encapsulations:
        del made["encapsulations"]
    made["ports"] = [_without_nones(port) for port in made["ports"]]
    made["acls"] = [_without_nones(acl) for acl in made["acls"]]
    for acl, document in zip(ordered(network).acls, made["acls"], strict=True):
        document["match"] = emit_match(acl.match)
    made |= insertion_documents(ordered(network))
    routed_document(ordered(network), made)
    if not network.paused:
        del made["paused"]
    return without_defaults(made)


def network_of(document: Mapping[str, Any]) -> Network:
    """The network of a document; InvalidInput when it is malformed or contradictory."""
    try:
        acls = [{**acl, "match": _match_of(acl["match"])} for acl in document.get("acls", ())]
        chains = [{**one, "match": _match_of(one["match"])} for one in document.get("chains", ())]
        network = msgspec.convert(
            with_matches({**document, "acls": acls, "chains": chains}, _match_of), Network
        )
    except (msgspec.ValidationError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"the document of a network was expected: {error}") from None
    found = problems(network)
    if found:
        raise InvalidInput("\n".join(f"network {network.name}: {one.message}" for one in found[:20]))
    return ordered(network)


def diff(old: Network | None, new: Network | None) -> tuple[Change, ...]:
    """What must change to make `new` of `old`; None is a network that does not exist."""
    if old is None and new is None:
        return ()
    if old is None or new is None:
        kept = old or new
        assert kept is not None
        whole = document_of(kept)
        return (
            Change("added", kept.name, new=whole) if old is None else Change("removed", kept.name, whole),
        )
    before, after = _only_differing(old, new)
    return tuple(_differences(new.name, document_of(before), document_of(after)))


def kept_members(old: Network | None, new: Network) -> Network:
    """`new` with the members of `old` in place of equal ones, so that others see at once what is as it was."""
    if old is None:
        return new
    lists = {name: _kept(getattr(old, name), getattr(new, name)) for name in LISTS}
    return replace(new, **lists)


def changes(
    current: Iterable[Network], desired: Iterable[Network], *, prune: bool = False
) -> tuple[Change, ...]:
    """What applying `desired` would change; networks that are not in it go only with `prune`."""
    before = {network.name: network for network in current}
    after = {network.name: network for network in desired}
    names = sorted(after.keys() | before.keys()) if prune else sorted(after)
    return tuple(change for name in names for change in diff(before.get(name), after.get(name)))


def _only_differing(old: Network, new: Network) -> tuple[Network, Network]:
    """Both without the members that are the same objects, of which there is nothing to tell."""
    found = {name: differing(getattr(old, name), getattr(new, name)) for name in LISTS}
    before = replace(old, **{name: tuple(gone) for name, (gone, _) in found.items()})
    after = replace(new, **{name: tuple(come) for name, (_, come) in found.items()})
    return before, after


def _match_of(text: object) -> Document:
    if not isinstance(text, str):
        raise InvalidInput(f"the text of a match was expected, {text!r} came")
    made: Document = msgspec.to_builtins(parse_match(text))
    return made


def _without_nones(document: Document) -> Document:
    return {key: value for key, value in document.items() if value is not None}


def _differences(path: str, old: Document, new: Document) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        absent: list[Document] | None = [] if key in IDENTITIES else None
        before, after, inner = old.get(key, absent), new.get(key, absent), f"{path}/{key}"
        if before == after:
            continue
        if key in IDENTITIES and isinstance(before, list) and isinstance(after, list):
            yield from _member_differences(inner, IDENTITIES[key], before, after)
        else:
            yield Change(_kind(before, after), inner, before, after)


def _member_differences(
    path: str, identity: str, old: list[Document], new: list[Document]
) -> Iterator[Change]:
    before = {one[identity]: one for one in old}
    after = {one[identity]: one for one in new}
    for name in sorted(before.keys() | after.keys()):
        inner = f"{path}/{name}"
        if name in before and name in after:
            yield from _differences(inner, before[name], after[name])
        else:
            yield Change(_kind(before.get(name), after.get(name)), inner, before.get(name), after.get(name))


def _kept(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    known = {one.name: one for one in old}
    made = tuple(known[one.name] if known.get(one.name) == one else one for one in new)
    return old if made == old else made


def _kind(before: object, after: object) -> Any:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"
