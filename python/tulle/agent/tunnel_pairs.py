"""The tunnels of a node to those that it needs: what flows receive and send by, and what it can say of them.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from tulle.agent.compilation import Tunnels
from tulle.agent.view import View
from tulle.control import all_tunnels_of, tunnels_by_remote, tunnels_of
from tulle.encap import encapsulations
from tulle.values import Node, Tunnel, TunnelEnd, TunnelInterface, TunnelPort, Unreachable


def known_nodes(view: View, own: Node) -> dict[str, Node]:
    """All nodes that tunnels may name; of one that has just gone neither address nor agent is known."""
    missing = {end for one in view.tunnels for end in (one.local, one.remote)} - view.nodes.keys()
    gone = {name: Node(name, "", (), external=True) for name in missing}
    return {**view.nodes, **gone, own.name: own}


class TunnelPairs(Struct, frozen=True):
    """`node` is this one's name, `remotes` are the names of those that it needs tunnels to."""

    node: str
    pairs: tuple[Tunnel | Unreachable, ...]
    nodes: Mapping[str, Node]
    remotes: Collection[str]

    def tunnels(self, retiring: tuple[TunnelInterface, ...]) -> Tunnels:
        """What the flows receive and send by; networks that nobody tells apart share what is usual."""
        by_remote = tunnels_by_remote(self.node, self.pairs)
        named = {network for one in by_remote.values() for network in one.networks}
        made = self._needed(all_tunnels_of(self.node, self.pairs, self.nodes))
        known = tuple(one for one in retiring if one.encapsulation in encapsulations())
        own = {
            network: self._needed(tunnels_of(self.node, self.pairs, self.nodes, network)) for network in named
        }
        return Tunnels((*made, *known), self._needed(tunnels_of(self.node, self.pairs, self.nodes)), own)

    def ends(
        self, receiving: Collection[tuple[str, str]], sends: Collection[TunnelPort]
    ) -> Iterator[TunnelEnd]:
        """What this node can say of its tunnels once flows are in place; `receiving` are (node, encapsulation).

        One whose health is watched is not received by before the far end is heard: nothing is sent by it until then.
        """
        for remote, tunnel in sorted(tunnels_by_remote(self.node, self.pairs).items()):
            if remote in self.remotes:
                made = [one.encapsulation for one in all_tunnels_of(self.node, (tunnel,), self.nodes)]
                receives = tuple(one for one in made if (remote, one) in receiving)
                sent_by = sorted(one.encapsulation for one in sends if one.node == remote)
                yield TunnelEnd(self.node, remote, tunnel.generation, receives, tuple(sent_by))

    def _needed(self, tunnels: tuple[TunnelInterface, ...]) -> tuple[TunnelInterface, ...]:
        return tuple(one for one in tunnels if one.remote in self.remotes)
