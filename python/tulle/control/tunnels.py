"""Which encapsulation each pair of nodes uses, or why it can use none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from tulle.values import Encapsulation, Node, Tunnel, TunnelInterface, Unreachable

from .preference import in_use


def choose(
    nodes: Iterable[Node], encapsulations: Mapping[str, Encapsulation]
) -> tuple[Tunnel | Unreachable, ...]:
    """One answer for each unordered pair, `local` < `remote`, in order.

    The best encapsulation is the one whose worse rank on the two nodes is the lowest, then the one
    with the lowest sum of ranks, then the one with the larger context, then by name; so neither
    node's wish counts more.  Two external endpoints need no tunnel of ours.
    """
    ordered = sorted(nodes, key=lambda node: node.name)
    pairs = [pair for pair in combinations(ordered, 2) if not all(node.external for node in pair)]
    return tuple(_between(one, other, encapsulations) for one, other in pairs)


def tunnels_of(
    node: str, chosen: Iterable[Tunnel | Unreachable], nodes: Mapping[str, Node], network: str = ""
) -> tuple[TunnelInterface, ...]:
    """The tunnels that one node sends a network by, as its switch ports, by remote node."""
    made = {
        remote: _interface(node, nodes, remote, in_use(tunnel, network))
        for remote, tunnel in tunnels_by_remote(node, chosen).items()
    }
    return tuple(made[remote] for remote in sorted(made))


def all_tunnels_of(
    node: str, chosen: Iterable[Tunnel | Unreachable], nodes: Mapping[str, Node]
) -> tuple[TunnelInterface, ...]:
    """All tunnels that one node has to make and receive by, by remote node and name."""
    by_remote = tunnels_by_remote(node, chosen)
    return tuple(
        _interface(node, nodes, remote, name)
        for remote in sorted(by_remote)
        for name in _all(by_remote[remote])
    )


def tunnels_by_remote(node: str, chosen: Iterable[Tunnel | Unreachable]) -> dict[str, Tunnel]:
    """The pairs that one node is an end of, by the other end."""
    return {
        tunnel.remote if tunnel.local == node else tunnel.local: tunnel
        for tunnel in chosen
        if isinstance(tunnel, Tunnel) and node in (tunnel.local, tunnel.remote)
    }


def _interface(node: str, nodes: Mapping[str, Node], remote: str, encapsulation: str) -> TunnelInterface:
    """With a second address where both nodes have two endpoints."""
    far = nodes[remote]
    second = far.second_address if node in nodes and nodes[node].second_address else ""
    return TunnelInterface(remote, far.address, encapsulation, far.external, second)


def _all(tunnel: Tunnel) -> list[str]:
    others = (*tunnel.networks.values(), *tunnel.coming.values(), *tunnel.leaving)
    return sorted({tunnel.encapsulation, *others})


def _between(one: Node, other: Node, known: Mapping[str, Encapsulation]) -> Tunnel | Unreachable:
    ranks = [{name: rank for rank, name in enumerate(node.encapsulations)} for node in (one, other)]
    common = [name for name in ranks[0] if name in ranks[1] and name in known]
    if not common:
        return Unreachable(one.name, other.name, _reason(one, other))

    def cost(name: str) -> tuple[int, int, int, str]:
        left, right = ranks[0][name], ranks[1][name]
        return (max(left, right), left + right, -known[name].context_bits, name)

    return Tunnel(one.name, other.name, min(common, key=cost))


def _reason(one: Node, other: Node) -> str:
    said = [f"{node.name} speaks {', '.join(node.encapsulations) or 'nothing'}" for node in (one, other)]
    return f"no encapsulation in common: {said[0]}; {said[1]}"
