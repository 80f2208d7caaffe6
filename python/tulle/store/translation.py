"""Rows of `NAT` and `Load_Balancer` to values and back.

A backend is one text, `web1 8080` or `10.0.1.9 8080`, the number left out where it is that of the load balancer:
names of ports have neither dots nor colons.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from tulle.values import Backend, LoadBalancer, LogicalRouter, Nat

from .writer import Row


def nat_of(row: Row) -> Nat:
    """A rule of a router."""
    return Nat(row["name"], row["kind"], row["external"], row["logical"])


def nat_rows(router: LogicalRouter) -> list[dict[str, Any]]:
    """The rows of a router's rules."""
    return [{"router": router.name, **msgspec.structs.asdict(nat)} for nat in router.nat]


def balancer_of(row: Row) -> LoadBalancer:
    """A load balancer, in canonical order."""
    made = LoadBalancer(
        row["name"],
        row["protocol"],
        tuple(row["vips"]),
        row["dport"],
        tuple(map(_backend_of, row["backends"])),
        row["switch"],
        row["router"],
        row["affinity"],
        row["check_s"],
        row["affinity_s"],
    )
    return canonical_balancer(made)


def balancer_row(one: LoadBalancer) -> dict[str, Any]:
    """The row of a load balancer."""
    backends = frozenset(map(_backend_text, one.backends))
    return {**msgspec.structs.asdict(one), "vips": frozenset(one.vips), "backends": backends}


def canonical_balancer(one: LoadBalancer) -> LoadBalancer:
    """The same with addresses and backends in order."""
    backends = sorted(one.backends, key=lambda b: (b.port or "", b.address or "", b.dport or 0))
    return replace(one, vips=tuple(sorted(one.vips)), backends=tuple(backends))


def _backend_of(text: str) -> Backend:
    who, _, number = text.partition(" ")
    dport = int(number) if number else None
    is_address = "." in who or ":" in who
    return Backend(None, who, dport) if is_address else Backend(who, None, dport)


def _backend_text(one: Backend) -> str:
    who = one.port or one.address or ""
    return who if one.dport is None else f"{who} {one.dport}"
