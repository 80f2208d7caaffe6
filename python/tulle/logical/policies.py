"""Feature: policies of routers, asked before their routes.

The highest priority that fits decides: go on to the routes, drop, or go to a next hop whatever the routes say.
A policy with next hops is about packets of their family.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Final

from msgspec.structs import replace

from tulle.values import (
    Action,
    FieldMatch,
    Flow,
    LogicalRouter,
    Match,
    Network,
    Resubmit,
    RoutingPolicy,
    SetField,
    fields,
    flow,
)
from tulle.values.pipeline import ETH_IPV4, ETH_IPV6, ROUTING, ROUTING_POLICY

from .hops import PLACE, Matched, Way, hop_flows, sending, ways
from .match import expand_match, is_reference
from .references import References
from .view import View

NUMBER_MAX: Final = 0xFFFF


def policy_flows(view: View) -> Iterator[Flow]:
    """The policies of all routers."""
    references = _references(view.network)
    for router in view.network.routers:
        if router.policies:
            yield from _router_flows(view, router, references)


def policy_inputs(view: View) -> object:
    """All that their flows follow from."""
    references = _references(view.network)
    return tuple(
        (view.datapath(router.name), router, _sides(view, router), _meanings(view, router, references))
        for router in view.network.routers
        if router.policies
    )


def expanded(match: Match, references: References | None) -> Iterator[Match]:
    """Matches without references that together are true for the same packets."""
    sources, targets = (_addresses(text, references) for text in (match.src, match.dst))
    for src, dst in product(sources, targets):
        if src is None or dst is None or ip_network(src).version == ip_network(dst).version:
            yield replace(match, src=src, dst=dst)


def _router_flows(view: View, router: LogicalRouter, references: References | None) -> Iterator[Flow]:
    at = fields(metadata=view.datapath(router.name))
    numbers = _numbers(router)
    for policy in router.policies:
        found, owner = ways(view, router, policy.next_hops), view.owner("policy", policy.name)
        number = numbers[policy.name]
        actions = _actions(view, policy, found, number)
        for one in expanded(policy.match, references):
            for match in _of_family(one, version_of(policy)):
                yield flow(ROUTING_POLICY, policy.priority, fields((*at, *match)), actions, owner)
        # Only of IP has a packet a time to live, and a flow that changes it must say so.
        for hop in policy.next_hops[:1]:
            whole = fields((*at, _eth_type(ip_address(hop.address).version)))
            yield from hop_flows(view, found, 100, whole, owner, number)
    yield flow(ROUTING_POLICY, 0, at, (Resubmit(ROUTING),), view.owner("router", router.name))


def version_of(policy: RoutingPolicy) -> int | None:
    """The IP version of the packets that a policy is about, None where that is both."""
    return next((ip_address(hop.address).version for hop in policy.next_hops), None)


def _of_family(match: Match, version: int | None) -> Iterator[Matched]:
    if version is None:
        yield from expand_match(match)
        return
    wanted = _eth_type(version)
    whole = Match("ip") if match == Match() else match
    yield from (one for one in expand_match(whole) if wanted in one)


def _eth_type(version: int) -> FieldMatch:
    return FieldMatch("dl_type", ETH_IPV4 if version == 4 else ETH_IPV6)


def _actions(view: View, policy: RoutingPolicy, found: tuple[Way, ...], number: int) -> tuple[Action, ...]:
    if policy.action == "allow":
        return (Resubmit(ROUTING),)
    if policy.action == "drop":
        return ()
    return sending(view, found, (SetField("reg7", number << PLACE.bits),))


def _addresses(text: str | None, references: References | None) -> tuple[str | None, ...]:
    if text is None or references is None:
        return (text,)
    return references.addresses(text)


def _references(network: Network) -> References | None:
    """Only where they are asked for: to know them takes a look at every port."""
    policies = [policy for router in network.routers for policy in router.policies]
    texts = (text for policy in policies for text in (policy.match.src, policy.match.dst))
    return References(network) if any(map(is_reference, texts)) else None


def _meanings(view: View, router: LogicalRouter, references: References | None) -> tuple[object, ...]:
    return tuple(
        (
            *(_addresses(text, references) for text in (policy.match.src, policy.match.dst)),
            ways(view, router, policy.next_hops),
        )
        for policy in router.policies
    )


def _sides(view: View, router: LogicalRouter) -> tuple[object, ...]:
    return tuple((view.datapath(port.switch), view.key(port.switch, port.name)) for port in router.ports)


def _numbers(router: LogicalRouter) -> dict[str, int]:
    """A number from 1 for each policy, which stays when others come and go, unless two names meet."""
    found: dict[str, int] = {}
    for name in sorted(one.name for one in router.policies):
        number = int.from_bytes(blake2b(name.encode(), digest_size=2).digest(), "big")
        while number == 0 or number in found.values():
            number = (number + 1) & NUMBER_MAX
        found[name] = number
    return found
