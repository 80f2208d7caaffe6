"""Which encapsulation each pair of nodes should use for each network, from both databases, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tulle import store
from tulle.control import Choice, choice_between, in_use, passed_over, settled
from tulle.encap import encapsulations
from tulle.store import Source
from tulle.values import Node, Tunnel, TunnelEnd, Unreachable

Document = dict[str, Any]


def choose_all(intent: Source, nodes: Mapping[str, Node]) -> tuple[Tunnel | Unreachable, ...]:
    """What is wanted between these nodes, who say what they are able to do."""
    return choice_among(intent, nodes).pairs(encapsulations())


def choice_among(intent: Source, nodes: Mapping[str, Node]) -> Choice:
    """What users and agents say of these nodes."""
    return choice_between(nodes, store.declared_nodes(intent), network_orders(intent))


def network_orders(intent: Source) -> dict[str, tuple[str, ...]]:
    """The networks with an order of their own, as far as their names are known."""
    known = encapsulations()
    orders = {row["name"]: row["encapsulations"].split(",") for row in intent("Network")}
    found = {
        network: tuple(name for name in order if name in known) for network, order in sorted(orders.items())
    }
    return {network: order for network, order in found.items() if order}


def ignored_wishes(intent: Source, state: Source) -> dict[str, str]:
    """Why the order that users want for a node does not count, by node."""
    return passed_over(store.nodes(state), store.declared_nodes(intent))


class Pairs:
    """The pairs of nodes as they are and as they should be."""

    def __init__(self, intent: Source, state: Source, among: Collection[str] | None = None) -> None:
        """All pairs, or only those `among` these nodes."""
        found = store.nodes(state)
        self._able = {name: node for name, node in found.items() if among is None or name in among}
        self._choice = choice_among(intent, self._able)
        self._chosen = {(one.local, one.remote): one for one in self._choice.pairs(encapsulations())}
        self._ends = store.tunnel_ends(state)
        self._mute = store.mute_nodes(state)
        rows = store.tunnels(state)
        self._rows = [one for one in rows if one.local in self._able and one.remote in self._able]

    def lines(self) -> Iterator[Document]:
        """Every pair, then the networks that it carries otherwise; `coming` is what they change to."""
        for row in self._rows:
            if isinstance(row, Unreachable):
                yield _line(row, "", None, None, row.reason)
                continue
            yield self._line(row, "")
            for network in sorted({*row.networks, *row.coming, *self._choice.orders} - {""}):
                yield self._line(row, network)

    def network_lines(self, network: str) -> list[Document]:
        """How the pairs carry one network."""
        rows = (row for row in self._rows if isinstance(row, Tunnel))
        return [self._line(row, network) for row in rows]

    def moving(self, network: str) -> Iterator[tuple[str, str]]:
        """(node, sentence) of the pairs that carry a network otherwise than they should."""
        for row in self._rows:
            if isinstance(row, Tunnel):
                yield from self._moving(row, network)

    def _moving(self, row: Tunnel, network: str) -> Iterator[tuple[str, str]]:
        chosen = self._chosen.get((row.local, row.remote))
        if not isinstance(chosen, Tunnel) or not self._reported(row):
            return
        now, want = (in_use(one, network) for one in (row, chosen))
        if now != want:
            yield row.local, f"the tunnel to {row.remote} goes from {now} to {want} for {network}"
        elif not settled(row, self._ends, self._able, self._mute):
            yield row.local, f"the tunnel to {row.remote} is changing"

    def _reported(self, row: Tunnel) -> list[TunnelEnd]:
        """Of a pair that no end needs, nothing is to be waited for."""
        pairs = ((row.local, row.remote), (row.remote, row.local))
        return [self._ends[pair] for pair in pairs if pair in self._ends]

    def _line(self, row: Tunnel, network: str) -> Document:
        used, coming = (in_use(row, network), row.coming.get(network))
        return _line(row, network, used, coming, self._reason(row, network))

    def _reason(self, row: Tunnel, network: str) -> str:
        chosen = self._chosen.get((row.local, row.remote))
        if not isinstance(chosen, Tunnel):
            return "one of them is gone"
        return self._choice.reason(chosen, network)


def _line(
    row: Tunnel | Unreachable, network: str, used: str | None, coming: str | None, reason: str
) -> Document:
    return {
        "local": row.local,
        "remote": row.remote,
        "network": network,
        "encapsulation": used,
        "coming": coming,
        "reason": reason,
    }
