"""What is wanted between all nodes: users' orders for nodes and networks, as far as the nodes are able to."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from tulle.values import Encapsulation, Node, Tunnel, Unreachable

from .preference import Orders, choose_for_networks, network_reason, pair_reason, preferring, share
from .tunnels import choose

WISHES_APART = "users want nothing that both do; as the agents say"


class Choice(Struct, frozen=True):
    """`able` nodes with what their agents say, `wanted` with what users say of it; `orders` of networks."""

    able: Mapping[str, Node]
    wanted: Mapping[str, Node]
    orders: Orders

    def pairs(self, known: Mapping[str, Encapsulation]) -> tuple[Tunnel | Unreachable, ...]:
        """Every pair; where the wishes for two nodes leave nothing in common, they are passed over."""
        by_wish, by_ability = (choose(nodes.values(), known) for nodes in (self.wanted, self.able))
        kept = [
            one if isinstance(one, Tunnel) else other for one, other in zip(by_wish, by_ability, strict=True)
        ]
        return tuple(
            choose_for_networks(one, self.deciding(one), self.orders) if isinstance(one, Tunnel) else one
            for one in kept
        )

    def reason(self, chosen: Tunnel, network: str = "") -> str:
        """Why a pair carries a network so; "" for all that have no order of their own."""
        nodes = self.deciding(chosen)
        if network in self.orders:
            return network_reason(chosen, nodes, network, self.orders[network])
        said = pair_reason(chosen, nodes)
        return said if nodes is self.wanted else f"{WISHES_APART}: {said}"

    def deciding(self, pair: Tunnel) -> Mapping[str, Node]:
        """The nodes whose orders count between two of them."""
        return self.wanted if share(self.wanted[pair.local], self.wanted[pair.remote]) else self.able


def choice_between(able: Mapping[str, Node], declared: Mapping[str, Node], orders: Orders) -> Choice:
    """The choice between the nodes `able`, of which users have `declared` something."""
    return Choice(able, preferring(able, declared), orders)
