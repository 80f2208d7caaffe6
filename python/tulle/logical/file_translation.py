"""Translations and load balancers in a file: shapes only."""

from __future__ import annotations

from typing import Final, cast, get_args

from tulle.values import Backend, LoadBalancer, Nat
from tulle.values.translation import Affinity, NatKind, Transport

from . import tree
from .reader import Complaints, Section
from .rules_address import canonical

TRANSLATION_KEYS: Final = ("load_balancers",)
CHECK_MAX_S: Final = 3600
AFFINITY_MAX_S: Final = 65535
"""An idle timeout has 16 bits (OpenFlow 1.3.5 section 7.3.4.1)."""
PORT_MAX: Final = 65535
BALANCER_KEYS: Final = (
    "name",
    "switch",
    "router",
    "protocol",
    "vips",
    "dport",
    "backends",
    "affinity",
    "check_s",
    "affinity_s",
)


def read_nat(section: Section, complaints: Complaints) -> tuple[Nat, ...]:
    """The rules of a router."""
    return tuple(_nat(one, complaints) for one in section.items("nat"))


def read_balancers(section: Section, complaints: Complaints) -> tuple[LoadBalancer, ...]:
    """The load balancers of a network."""
    return tuple(_balancer(one, complaints) for one in section.items("load_balancers"))


def _nat(node: tree.Tree, complaints: Complaints) -> Nat:
    own = Section(node, "nat", ("name", "kind", "external", "logical"), complaints)
    kind = cast(NatKind, own.choice("kind", get_args(NatKind)))
    logical = own.text("logical")
    form = "address" if "/" not in logical else "route"
    return Nat(own.text("name"), kind, _usual(own.text("external"), "address"), _usual(logical, form))


def _balancer(node: tree.Tree, complaints: Complaints) -> LoadBalancer:
    own = Section(node, "load balancer", BALANCER_KEYS, complaints)
    affinity = own.choice("affinity", get_args(Affinity)) if own.child("affinity") else "connection"
    backends = [_backend(one, complaints) for one in own.items("backends")]
    return LoadBalancer(
        own.text("name"),
        cast(Transport, own.choice("protocol", get_args(Transport))),
        tuple(sorted(_usual(one, "address") for one in own.texts("vips") or ())),
        own.integer("dport", None, 1, PORT_MAX),
        tuple(sorted(backends, key=backend_key)),
        own.optional_text("switch"),
        own.optional_text("router"),
        cast(Affinity, affinity),
        own.integer("check_s", 0, 0, CHECK_MAX_S),
        own.integer("affinity_s", 0, 0, AFFINITY_MAX_S),
    )


def backend_key(one: Backend) -> tuple[str, str, int]:
    """The order of backends, which have none of their own."""
    return one.port or "", one.address or "", one.dport or 0


def _backend(node: tree.Tree, complaints: Complaints) -> Backend:
    own = Section(node, "backend", ("port", "address", "dport"), complaints)
    address = own.optional_text("address")
    dport = own.integer("dport", None, 1, PORT_MAX) if own.child("dport") else None
    return Backend(own.optional_text("port"), address and _usual(address, "address"), dport)


def _usual(text: str, kind: str) -> str:
    """What is malformed stays, for the rules to refuse."""
    try:
        return canonical(text, kind)
    except ValueError:
        return text
