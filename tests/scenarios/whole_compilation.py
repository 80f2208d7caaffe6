"""All flows of a node compiled as a whole: the slow, obvious twin of the agent's compilation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from tulle._native import canonical_flow
from tulle.agent.compilation import Tunnels
from tulle.agent.external_zones import external_zones, sharing_ports
from tulle.agent.translation_zones import translation_zones
from tulle.control import Placement, compile_node
from tulle.control.localnets import NO_PHYSICAL, Physical
from tulle.logical import compile_network
from tulle.openflow import flow_texts
from tulle.values import Encapsulation, Ids, LocalPort, Membership, Network, TunnelPort
from tulle.values.moving import Transit

canonical = lru_cache(maxsize=65536)(canonical_flow)


def whole_texts(
    node: str,
    placed: Placement,
    tunnels: Tunnels,
    ids: Ids,
    known: Mapping[str, Encapsulation],
    ports: Mapping[LocalPort | TunnelPort, int],
    transits: Iterable[Transit] = (),
    physical: Physical = NO_PHYSICAL,
    memberships: frozenset[Membership] = frozenset(),
) -> dict[str, str]:
    """Keys and canonical texts, in the order in which a switch is given them."""
    sharing = sharing_ports(node, placed.networks, placed.bindings)
    outside = external_zones(placed.bindings, tunnels.all, ports.values(), sharing)
    taken = {*ports.values(), *outside.values()}
    zones = translation_zones(node, placed.networks, placed.bindings, tunnels.all, taken)
    numbered = {**ports, **outside, **zones}
    found: dict[str, str] = {}
    for network in (Network(""), *placed.networks):
        own = [one for one in placed.bindings if one.network == network.name]
        sending = tunnels.of(network.name)
        moving = [one for one in transits if one.network == network.name]
        here = compile_node(
            *(node, (network,), own, sending, ids, known),
            receiving=tunnels.all,
            transits=moving,
            physical=physical,
            memberships=memberships,
        )
        found |= flow_texts((*here, *compile_network(network, ids)), numbered, canonical)
    return found
