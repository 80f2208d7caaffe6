"""Feature: network address translation on routers.

A router answers for external addresses (`topology.borne`).  What is sent to one asks for its connection at the
router; where there is none, it may begin one to the logical address.  What comes to a port outside asks on its
way into the port, and may begin a connection from the external address.  So that answers to connections from
outside are not taken for new ones, those to the inside are remembered too.
"""

from __future__ import annotations

from collections.abc import Iterator

from tulle.values import Commit, Flow, LogicalRouter, Nat, Resubmit, fields, flow
from tulle.values.pipeline import ROUTER_INPUT, TRANSLATED, TRANSLATION

from .topology import inside, outside, own_addresses, port_of
from .translating import (
    NEW,
    NEW_AS_SENT,
    ZONE,
    asks,
    asks_on_return,
    asks_outside,
    begins,
    from_address,
    hairpins,
    to,
)
from .view import View


def nat_flows(view: View) -> Iterator[Flow]:
    """All rules of all routers."""
    for router in view.network.routers:
        for nat in router.nat:
            yield from _external(view, router, nat)
            if nat.kind in ("snat", "dnat-and-snat"):
                yield from _sources(view, router, nat)
            if nat.kind in ("dnat", "dnat-and-snat"):
                yield from _targets(view, router, nat)


def _external(view: View, router: LogicalRouter, nat: Nat) -> Iterator[Flow]:
    match = fields(to(nat.external), metadata=view.datapath(router.name))
    yield asks(ROUTER_INPUT, 115, match, view.owner("translation", router.name))
    if nat.external not in own_addresses(router):
        nobody = f"{view.owner('nat', nat.name)} (no connection)"
        yield flow(ROUTER_INPUT, 105, match, (), nobody)


def _sources(view: View, router: LogicalRouter, nat: Nat) -> Iterator[Flow]:
    beyond = outside(view.network, router, nat)
    owner, asking = view.owner("nat", nat.name), view.owner("translation", router.name)
    port = port_of(router, nat.external)
    assert port is not None
    entering = fields(
        metadata=view.datapath(router.name),
        reg14=view.key(router.name, port.name),
    )
    for prefix in inside(view.network, router, nat):
        yield from asks_outside(view, beyond, prefix, asking)
        yield from from_address(view, beyond, prefix, nat, owner)
        yield asks(ROUTER_INPUT, 112, fields((*entering, *to(prefix))), asking)
        remembered = (Commit(ZONE, 0), Resubmit(TRANSLATED))
        yield flow(TRANSLATION, 50, fields((*entering, *to(prefix), NEW_AS_SENT)), remembered, asking)


def _targets(view: View, router: LogicalRouter, nat: Nat) -> Iterator[Flow]:
    owner = view.owner("nat", nat.name)
    match = fields((*to(nat.external), NEW), metadata=view.datapath(router.name))
    yield flow(TRANSLATION, 90, match, begins(nat.external, nat.logical), owner)
    yield asks_on_return(nat.logical)
    switch = next(port.switch for port in view.network.ports if nat.logical in port.addresses)
    yield hairpins(view, switch, nat.logical, nat.external, f"{owner} (hairpin)")
