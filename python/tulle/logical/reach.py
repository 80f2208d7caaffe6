"""Who can reach whom after a change and could not before, and the other way round.

Ports that no switch, ACL or route tells apart are one group, of which one member is asked: so the work grows with
what the network tells apart, not with the square of its ports.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator
from ipaddress import ip_interface
from itertools import product
from typing import Final

from msgspec import Struct

from tulle.values import LogicalPort, Network

from .delivery import Delivery
from .filtering import Rules, own_address, prefix
from .services import Service, services
from .topology import with_homes

QUESTIONS_MAX: Final = 200_000
EVERYTHING: Final = "all traffic"
Names = tuple[str, ...]


class Reach(Struct, frozen=True, order=True):
    """Each of `sources` can send to each of `targets` (but not to itself) by these services."""

    sources: Names
    targets: Names
    services: Names


class ReachChange(Struct, frozen=True):
    """What a change does; `unknown` says why that was not computed."""

    gained: tuple[Reach, ...] = ()
    lost: tuple[Reach, ...] = ()
    unknown: str | None = None


def reach_change(old: Network | None, new: Network | None) -> ReachChange:
    """From one network to another; None is a network that does not exist."""
    old, new = (None if one is None else with_homes(one) for one in (old, new))
    present = [one for one in (old, new) if one is not None]
    kinds = services(present)
    groups = _groups(old, new)
    if (asked := len(groups) ** 2 * len(kinds)) > QUESTIONS_MAX:
        return ReachChange(
            unknown=f"{len(groups)} kinds of ports need {asked} questions, {QUESTIONS_MAX} is the limit"
        )
    before, after = (Delivery(one or Network("")) for one in (old, new))
    gained: list[Reach] = []
    lost: list[Reach] = []
    for sources, targets in product(groups, groups):
        pair = _two(sources, targets)
        if pair is not None:
            could = {kind for kind in kinds if before.delivers(*pair, kind)}
            can = {kind for kind in kinds if after.delivers(*pair, kind)}
            possible = [kind for kind in kinds if _speaks(kind, pair, (before, after))]
            gained += _named(sources, targets, can - could, possible)
            lost += _named(sources, targets, could - can, possible)
    return ReachChange(_merged(gained), _merged(lost))


def _two(sources: Names, targets: Names) -> tuple[str, str] | None:
    """A member of each, two different ports."""
    if sources[0] != targets[0]:
        return sources[0], targets[0]
    return (sources[0], sources[1]) if len(sources) > 1 else None


def _speaks(kind: Service, pair: tuple[str, str], sides: Collection[Delivery]) -> bool:
    """Whether both ports have an address of the family, before or after."""
    return all(
        any(own_address(side.ports[name], kind.version) is not None for side in sides if name in side.ports)
        for name in pair
    )


def _named(sources: Names, targets: Names, found: set[Service], possible: list[Service]) -> Iterator[Reach]:
    if found:
        yield Reach(
            sources, targets, (EVERYTHING,) if found >= set(possible) else tuple(_labels(found, possible))
        )


def _labels(found: set[Service], possible: list[Service]) -> list[str]:
    out = []
    for label in sorted({one.label for one in found}):
        versions = {one.version for one in found if one.label == label}
        every = {one.version for one in possible if one.label == label}
        out.append(label if versions == every else f"{label} over IPv{min(versions)}")
    return out


def _merged(found: list[Reach]) -> tuple[Reach, ...]:
    """The same with fewer, larger entries."""
    by_source = _joined(found, lambda one: (one.targets, one.services), lambda one: one.sources)
    once = [Reach(sources, targets, kinds) for (targets, kinds), sources in by_source.items()]
    by_target = _joined(once, lambda one: (one.sources, one.services), lambda one: one.targets)
    return tuple(sorted(Reach(sources, targets, kinds) for (sources, kinds), targets in by_target.items()))


def _joined(
    found: list[Reach], key: Callable[[Reach], tuple[Names, Names]], names: Callable[[Reach], Names]
) -> dict[tuple[Names, Names], Names]:
    out: defaultdict[tuple[Names, Names], set[str]] = defaultdict(set)
    for one in found:
        out[key(one)].update(names(one))
    return {kept: tuple(sorted(joined)) for kept, joined in out.items()}


def _groups(old: Network | None, new: Network | None) -> list[Names]:
    """The ports of both networks, those together that nothing tells apart, neither before nor after."""
    marks: defaultdict[str, list[Hashable]] = defaultdict(list)
    for side, network in enumerate((old, new)):
        if network is not None:
            rules, routed = Rules(network), sorted(set(_routed(network)))
            for port in network.ports:
                marks[port.name].append((side, _mark(port, routed), rules.mark(port)))
    groups: defaultdict[Hashable, list[str]] = defaultdict(list)
    for name, mark in sorted(marks.items()):
        groups[tuple(mark)].append(name)
    return [tuple(names) for names in groups.values()]


def _mark(port: LogicalPort, routed: list[str]) -> Hashable:
    """What switches and routers see of a port."""
    own = [own_address(port, version) for version in (4, 6)]
    inside = tuple(tuple(one is not None and one in prefix(text) for text in routed) for one in own)
    return port.switch, port.node is not None, tuple(one is not None for one in own), inside


def _routed(network: Network) -> Iterator[str]:
    """The prefixes and next hops of routers."""
    for router in network.routers:
        for route in router.routes:
            yield from (route.prefix, *(hop.address for hop in route.hops))
        yield from (hop.address for policy in router.policies for hop in policy.next_hops)
        yield from (nat.logical for nat in router.nat)
        for port in router.ports:
            yield from (str(ip_interface(one).network) for one in port.addresses)
