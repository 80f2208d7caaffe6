"""Rules about the policies of routers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from tulle.values import LogicalRouter, Network, RoutingPolicy

from .match import families, is_reference
from .problem import Path, Problem, repeated
from .references import References
from .rules_acl import PRIORITY_MAX
from .rules_policy import KINDS
from .rules_route import malformed_hops, misplaced_hops
from .spelling import nearest

PAIRS_MAX: Final = 10_000
ACTIONS: Final = ("allow", "drop", "reroute")
Placed = tuple[Path, LogicalRouter, RoutingPolicy]


def routing_names(network: Network) -> Iterator[tuple[Path, str, str]]:
    """(path, name space, name) of all policies."""
    for path, _, policy in _policies(network):
        yield (*path, "name"), "policy", policy.name


def routing_references(network: Network) -> Iterator[Problem]:
    """Sets and groups that policies speak of and that are not there."""
    known = {
        "$": {one.name for one in network.address_sets},
        "@": {group.name for group in network.port_groups},
    }
    for path, _, policy in _policies(network):
        for text in filter(is_reference, (policy.match.src, policy.match.dst)):
            assert text is not None
            if text[1:] not in known[text[0]]:
                hint = nearest(text[1:], known[text[0]])
                message = f"policy {policy.name}: unknown {KINDS[text[0]]} {text[1:]!r}{hint}"
                yield Problem((*path, "match"), message)


def routing_problems(network: Network) -> Iterator[Problem]:
    """What is wrong with policies whose names and whose routers' addresses are right."""
    references = References(network) if any(one.policies for one in network.routers) else None
    for path, router, policy in _policies(network):
        malformed = [*_malformed(path, policy), *malformed_hops(path, policy.next_hops)]
        yield from malformed or misplaced_hops(path, router, policy.next_hops)
        if not malformed:
            yield from _unfitting(path, policy)
        if references is not None:
            sizes = references.size(policy.match.src), references.size(policy.match.dst)
            if sizes[0] * sizes[1] > PAIRS_MAX:
                message = f"at most {PAIRS_MAX} pairs of addresses were expected, {sizes[0] * sizes[1]} came"
                yield Problem((*path, "match"), f"policy {policy.name}: {message}")
    for at, router in enumerate(network.routers):
        priorities = [
            (("routers", at, "policies", policy_at, "priority"), policy.priority)
            for policy_at, policy in enumerate(router.policies)
        ]
        yield from repeated(f"router {router.name}: the priority", priorities)


def _policies(network: Network) -> Iterator[Placed]:
    for at, router in enumerate(network.routers):
        for policy_at, policy in enumerate(router.policies):
            yield ("routers", at, "policies", policy_at), router, policy


def _malformed(path: Path, policy: RoutingPolicy) -> Iterator[Problem]:
    name = f"policy {policy.name}"
    if not 1 <= policy.priority <= PRIORITY_MAX:
        message = f"{name}: a priority from 1 to {PRIORITY_MAX} was expected, {policy.priority} came"
        yield Problem((*path, "priority"), message)
    if policy.action not in ACTIONS:
        yield Problem(
            (*path, "action"), f"{name}: one of {', '.join(ACTIONS)} was expected, {policy.action} came"
        )
    elif policy.action == "reroute" and not policy.next_hops:
        yield Problem((*path, "action"), f"{name}: reroute needs next_hop or next_hops")
    elif policy.action != "reroute" and policy.next_hops:
        yield Problem((*path, "action"), f"{name}: next hops are for reroute, {policy.action} came")
    if policy.match.protocol == "arp":
        yield Problem((*path, "match"), f"{name}: a router forwards IP, the match is about ARP")


def _unfitting(path: Path, policy: RoutingPolicy) -> Iterator[Problem]:
    """A packet of one family cannot be sent to a next hop of the other."""
    wanted = {f"ip{ip_address(hop.address).version}" for hop in policy.next_hops}
    if len(wanted) > 1:
        yield Problem((*path, "next_hops"), f"policy {policy.name}: its next hops are of different families")
    elif wanted and not wanted & families(policy.match):
        message = f"next hop {policy.next_hops[0].address} is of another family than what the match describes"
        yield Problem((*path, "match"), f"policy {policy.name}: {message}")
