"""Routes and policies of routers in a file: shapes only."""

from __future__ import annotations

from typing import Final, cast, get_args

from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.values import LogicalRouter, Match, NextHop, RoutingPolicy, StaticRoute
from tulle.values.routes import RoutingAction

from . import tree
from .match import parse_match
from .reader import Complaints, Section
from .rules_acl import PRIORITY_MAX
from .rules_address import canonical
from .rules_route import WEIGHT_MAX

ROUTING_KEYS: Final = ("routes", "policies")
POLICY_KEYS: Final = ("name", "priority", "match", "action", "next_hop", "next_hops")


def with_routing(router: LogicalRouter, section: Section, complaints: Complaints) -> LogicalRouter:
    """The router with its routes and policies as the file says them."""
    routes = tuple(_route(one, complaints) for one in section.items("routes"))
    policies = tuple(_policy(one, complaints) for one in section.items("policies"))
    return replace(router, routes=routes, policies=policies)


def read_match(own: Section, complaints: Complaints) -> Match:
    """What the match of a mapping says; what cannot be read is complained of."""
    text = own.text("match")
    try:
        return parse_match(text) if text else Match()
    except InvalidInput as error:
        complaints.add(own.line_of("match"), f"{own.what}: {error.message}")
        return Match()


def in_order(hops: tuple[NextHop, ...]) -> tuple[NextHop, ...]:
    """Next hops in the order that is the same for all who have the same ones."""
    return tuple(sorted(hops, key=lambda one: (one.address, one.weight)))


def _route(node: tree.Tree, complaints: Complaints) -> StaticRoute:
    own = Section(node, "route", ("prefix", "next_hop", "next_hops"), complaints)
    prefix, hops = _usual(own.text("prefix"), "route"), _hops(own, complaints)
    if not hops:
        complaints.add(own.line, "route: next_hop is missing, or next_hops")
    if own.child("next_hops") is None:
        return StaticRoute(prefix, hops[0].address if hops else "")
    return StaticRoute(prefix, next_hops=hops)


def _policy(node: tree.Tree, complaints: Complaints) -> RoutingPolicy:
    own = Section(node, "policy", POLICY_KEYS, complaints)
    return RoutingPolicy(
        own.text("name"),
        own.integer("priority", None, 1, PRIORITY_MAX),
        read_match(own, complaints),
        cast(RoutingAction, own.choice("action", get_args(RoutingAction))),
        _hops(own, complaints),
    )


def _hops(own: Section, complaints: Complaints) -> tuple[NextHop, ...]:
    single = own.optional_text("next_hop") if own.child("next_hop") is not None else None
    several = in_order(tuple(_hop(one, complaints) for one in own.items("next_hops")))
    if single is None:
        return several
    if own.child("next_hops") is not None:
        complaints.add(
            own.line_of("next_hops"), f"{own.what}: one of next_hop and next_hops was expected, both came"
        )
    return (NextHop(_usual(single, "address")),)


def _hop(node: tree.Tree, complaints: Complaints) -> NextHop:
    own = Section(node, "next hop", ("address", "weight"), complaints)
    return NextHop(_usual(own.text("address"), "address"), own.integer("weight", 1, 1, WEIGHT_MAX))


def _usual(text: str, kind: str) -> str:
    """What is malformed stays, for the rules to refuse."""
    try:
        return canonical(text, kind)
    except ValueError:
        return text
