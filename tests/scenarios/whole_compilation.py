"""All flows of a node compiled as a whole: the slow, obvious twin of the agent's compilation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from tulle._native import canonical_flow
from tulle.agent.compilation import Tunnels
from tulle.agent.external_zones import external_zones
from tulle.control import Placement, compile_node
from tulle.logical import compile_network
from tulle.openflow import flow_texts
from tulle.values import Encapsulation, Ids, LocalPort, Network, TunnelPort

canonical = lru_cache(maxsize=65536)(canonical_flow)


def whole_texts(
    node: str,
    placed: Placement,
    tunnels: Tunnels,
    ids: Ids,
    known: Mapping[str, Encapsulation],
    ports: Mapping[LocalPort | TunnelPort, int],
) -> dict[str, str]:
    """Keys and canonical texts, in the order in which a switch is given them."""
    outside = external_zones(placed.bindings, tunnels.all, ports.values())
    numbered = {**ports, **outside}
    found: dict[str, str] = {}
    for network in (Network(""), *placed.networks):
        own = [one for one in placed.bindings if one.network == network.name]
        sending = tunnels.of(network.name)
        here = compile_node(node, (network,), own, sending, ids, known, receiving=tunnels.all)
        found |= flow_texts((*here, *compile_network(network, ids)), numbered, canonical)
    return found
