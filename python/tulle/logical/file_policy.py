"""Policies in a file: port groups, address sets, what is denied by default, and an ACL's further keys."""

from __future__ import annotations

from typing import Final, cast

from msgspec.structs import replace

from tulle.values import Acl, AddressSet, Network, PortGroup
from tulle.values.network import Direction

from . import tree
from .reader import Complaints, Section
from .rules_policy import LOG_MAX, TIER_MAX, usual

POLICY_KEYS: Final = ("port_groups", "address_sets", "default_deny")
ACL_POLICY_KEYS: Final = ("group", "tier", "log", "audit")


def with_policy(network: Network, section: Section, complaints: Complaints) -> Network:
    """The network with its policies as the file says them."""
    return replace(
        network,
        port_groups=tuple(_group(one, complaints) for one in section.items("port_groups")),
        address_sets=tuple(_set(one, complaints) for one in section.items("address_sets")),
        default_deny=cast("tuple[Direction, ...]", tuple(sorted(section.texts("default_deny") or ()))),
    )


def with_acl_policy(acl: Acl, section: Section) -> Acl:
    """The ACL with its group, tier, log rate and audit."""
    return replace(
        acl,
        group=section.optional_text("group"),
        tier=section.integer("tier", 0, 0, TIER_MAX),
        log=section.integer("log", 0, 0, LOG_MAX),
        audit=section.boolean("audit"),
    )


def _group(node: tree.Tree, complaints: Complaints) -> PortGroup:
    own = Section(node, "port group", ("name", "ports"), complaints)
    return PortGroup(own.text("name"), tuple(sorted(own.texts("ports") or ())))


def _set(node: tree.Tree, complaints: Complaints) -> AddressSet:
    own = Section(node, "address set", ("name", "addresses"), complaints)
    return AddressSet(own.text("name"), tuple(sorted(map(_usual, own.texts("addresses") or ()))))


def _usual(text: str) -> str:
    """What is malformed stays, for the rules to refuse."""
    try:
        return usual(text)
    except ValueError:
        return text
