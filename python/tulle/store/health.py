"""Rows of `Backend`: what the agents found of the backends of load balancers that are plugged in at their nodes."""

from __future__ import annotations

from collections.abc import Iterable

from tulle.values import BackendState

from .writer import Source, Writer


def backends(source: Source) -> tuple[BackendState, ...]:
    """All that were asked."""
    found = (
        BackendState(row["network"], row["balancer"], row["address"], row["up"]) for row in source("Backend")
    )
    return tuple(sorted(found, key=lambda one: (one.network, one.balancer, one.address, one.up)))


def down(source: Source) -> frozenset[tuple[str, str, str]]:
    """Backends (network, load balancer, address) of which no node that asked says that they serve.

    While a port moves, two nodes may speak of it.
    """
    serving: dict[tuple[str, str, str], bool] = {}
    for one in backends(source):
        key = one.network, one.balancer, one.address
        serving[key] = one.up or serving.get(key, False)
    return frozenset(key for key, up in serving.items() if not up)


def write_backends(writer: Writer, source: Source, node: str, found: Iterable[BackendState]) -> None:
    """Operations that make this node's rows equal these."""
    desired = [
        {
            "node": node,
            "network": one.network,
            "balancer": one.balancer,
            "address": one.address,
            "up": one.up,
        }
        for one in found
    ]
    writer.replace("Backend", [row for row in source("Backend") if row["node"] == node], desired)
