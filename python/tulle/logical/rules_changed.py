"""Whether a change leaves a network sound, found without a look at all of it.

The rules proper are those of `rules.problems`.  Here they are asked about what differs, and what differs is compared
with the rest.  Where that is not enough to be sure the answer is no, and the caller asks about the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter

from msgspec.structs import replace

from tulle.values import PORT_KEY_MAX, Acl, LogicalPort, LogicalRouter, LogicalSwitch, Network

from .differing import differing
from .match import is_reference
from .neighbours import Neighbours
from .rules import problems
from .rules_acl import FLOWS_MAX
from .rules_route import route_problems

MOST = 0.25
"""Where a larger part than this differs, the whole is looked at."""


def is_sound_change(old: Network, new: Network, neighbours: Neighbours | None = None) -> bool:
    """True only if `new` has no problems, given that `old` has none; no node is asked about.

    `neighbours` are kept from one change of a network to the next; without them all of its ports are looked at.
    """
    whole = (
        *("name", "port_groups", "address_sets", "default_deny", "load_balancers", "dns", "forwarding"),
        *("appliances", "chains", "mirrors"),
    )
    if not _is_plain(new) or any(getattr(old, one) != getattr(new, one) for one in whole):
        return False
    ports, acls = differing(old.ports, new.ports), differing(old.acls, new.acls)
    if len(ports[1]) > MOST * len(new.ports) or len(acls[1]) > MOST * max(40, len(new.acls)):
        return False
    return (
        _switches_only_left(old, new)
        and _routers_only_lost(*differing(old.routers, new.routers), new)
        and _nothing_misses(new, ports)
        and _ports_fit(old, new, ports, neighbours or Neighbours())
        and _acls_fit(new, acls[1])
    )


def _is_plain(network: Network) -> bool:
    """Whether a network has none of what makes its members depend on one another in further ways."""
    return (
        not (network.load_balancers or network.dns is not None)
        and not (network.appliances or network.chains or network.mirrors)
        and network.forwarding == "dual"
        and not any(one.dhcp is not None or one.service_addresses for one in network.switches)
        and not any(
            one.nat or one.policies or any(port.ra != "off" for port in one.ports) for one in network.routers
        )
    )


def _switches_only_left(old: Network, new: Network) -> bool:
    """Whether switches have gone at most, and nothing is left on them."""
    gone, come = differing(old.switches, new.switches)
    if come and {one.name: one for one in gone} != {one.name: one for one in come}:
        return False
    names = {one.name for one in gone} - {one.name for one in come}
    left = (port for router in new.routers for port in router.ports)
    switch = attrgetter("switch")
    return not names or all(names.isdisjoint(map(switch, members)) for members in (new.ports, new.acls, left))


def _routers_only_lost(
    gone: tuple[LogicalRouter, ...], come: tuple[LogicalRouter, ...], new: Network
) -> bool:
    """Whether routers have only lost ports and routes, and their routes still lead somewhere."""
    before = {one.name: one for one in gone}
    for router in come:
        was = before.get(router.name)
        if was is None or set(router.ports) - set(was.ports) or set(router.routes) - set(was.routes):
            return False
    return not come or not any(True for _ in route_problems(replace(new, routers=come)))


def _nothing_misses(
    new: Network,
    ports: tuple[tuple[LogicalPort, ...], tuple[LogicalPort, ...]],
) -> bool:
    """Whether no group or ACL speaks of ports that are other ones now."""
    moved = {one.name for one in ports[0]}
    if not moved:
        return True
    if any(one.parent in moved for one in new.ports if one.parent is not None):
        return False
    named = {name for group in new.port_groups for name in group.ports}
    return moved.isdisjoint(named) and not any(one.port in moved for one in new.acls if one.port)


def _ports_fit(
    old: Network,
    new: Network,
    ports: tuple[tuple[LogicalPort, ...], tuple[LogicalPort, ...]],
    neighbours: Neighbours,
) -> bool:
    """Whether ports are right by themselves, and none has what another one has.

    Names, addresses and places are taken once in a network, MAC addresses once on a switch.
    """
    gone, come = ports
    if not come:
        return True
    if any(one.parent is not None or one.localnet is not None for one in come):
        return False
    switches = {one.switch for one in come}
    around = tuple(one for one in new.switches if one.name in switches)
    if problems(Network(new.name, around, ports=come)):
        return False
    neighbours.follow(old.ports)
    counts = neighbours.counts + Counter(one.switch for one in come)
    if any(counts[switch] > PORT_KEY_MAX - len(new.routers) * 100 for switch in switches):
        return False
    return neighbours.are_apart(come, gone) and _apart_from_routers(new, come)


def _apart_from_routers(new: Network, come: Iterable[LogicalPort]) -> bool:
    ports = [port for router in new.routers for port in router.ports]
    addresses = {text.partition("/")[0] for port in ports for text in port.addresses}
    names = {port.name for port in ports}
    macs = {(port.switch, port.mac) for port in ports}
    return not any(
        one.name in names or (one.switch, one.mac) in macs or not addresses.isdisjoint(one.addresses)
        for one in come
    )


def _acls_fit(new: Network, come: tuple[Acl, ...]) -> bool:
    """Whether ACLs are right by themselves, and contradict none that are asked together with them."""
    if not come:
        return True
    names = Counter(one.name for one in new.acls)
    # Each ACL at a whole switch, of one address or prefix, is at most two flows.
    if any(names[one.name] > 1 for one in come) or 2 * len(new.acls) > FLOWS_MAX:
        return False
    if not all(map(_is_simple, new.acls)):
        return False
    together = {_rank(one) for one in come}
    asked = tuple(one for one in new.acls if _rank(one) in together)
    places = {one.switch for one in asked}
    around: tuple[LogicalSwitch, ...] = tuple(one for one in new.switches if one.name in places)
    return not problems(Network(new.name, around, acls=asked))


def _is_simple(acl: Acl) -> bool:
    texts = (acl.match.src, acl.match.dst)
    return acl.switch is not None and not any(text is not None and is_reference(text) for text in texts)


def _rank(acl: Acl) -> tuple[object, ...]:
    return acl.switch, acl.direction, acl.tier, acl.priority
