"""What users ask: documents of plain dicts, lists, texts and numbers, as the API gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tulle import store
from tulle.control import network_mtu, requested_bindings
from tulle.encap import encapsulations
from tulle.errors import NotFound
from tulle.logical import document_of
from tulle.store import Row, Source, StoredNetwork, moving
from tulle.values import Change, NodeReport

from .choice import Pairs, choice_among, ignored_wishes
from .offers import port_document
from .progress import behind

Document = dict[str, Any]


class Listing:
    """Answers from both databases; `connected` tells whether a node's agent was heard of lately."""

    def __init__(self, intent: Source, state: Source, connected: Callable[[str], bool]) -> None:
        self._intent = intent
        self._state = state
        self._connected = connected

    def is_connected(self, node: str) -> bool:
        """Whether the agent of a node was heard of lately."""
        return self._connected(node)

    def networks(self) -> list[Document]:
        """One line for each network."""
        found = store.networks(self._intent)
        wanted = {name: stored.generation for name, stored in found.items()}
        late: dict[str, set[str]] = {name: set() for name in found}
        for one in behind(self._intent, self._state, wanted):
            late[one.network].add(one.node)
        return [_network_line(stored, late[name]) for name, stored in found.items()]

    def network(self, stored: StoredNetwork) -> Document:
        """A whole network: its document, its generation, where its ports are."""
        name = stored.network.name
        bound = {one.port: one.node for one in store.bindings(self._state) if one.network == name}
        late = behind(self._intent, self._state, {name: stored.generation})
        places = {*bound.values(), *(port.node for port in stored.network.ports if port.node is not None)}
        pairs = Pairs(self._intent, self._state, places)
        return {
            "generation": stored.generation,
            "network": document_of(stored.network),
            "mtu": self._mtu(name),
            "bound": bound,
            "behind": [str(one) for one in late],
            "tunnels": pairs.network_lines(name),
        }

    def _mtu(self, network: str) -> int:
        """As the agents reckon it: with the ports where they are, and where they are asked to be."""
        nodes = store.nodes(self._state)
        networks = [stored.network for stored in store.networks(self._intent).values()]
        places = [*store.bindings(self._state), *requested_bindings(networks, nodes)]
        tunnels, reports = store.tunnels(self._state), store.reports(self._state)
        return network_mtu(network, places, tunnels, encapsulations(), nodes=nodes.values(), reports=reports)

    def ports(self, network: str | None) -> list[Document]:
        """All ports, of one network or of all.

        `bound` is where a port is, `node` where it should be, `prepared` where it goes when it speaks there.
        """
        stored = store.networks(self._intent)
        if network is not None and network not in stored:
            raise NotFound(f"no network {network!r}")
        at = {(one.network, one.port): one.node for one in store.bindings(self._state)}
        ready = {
            port: one.target
            for port, one in moving.prepared(self._state).items()
            if at.get(port) != one.target
        }
        return [
            {
                "network": name,
                "name": port.name,
                "switch": port.switch,
                "mac": port.mac,
                "addresses": list(port.addresses),
                "node": port.node,
                "bound": at.get((name, port.name)),
                "prepared": ready.get((name, port.name)),
                "namespace": port.namespace,
                "localnet": port.localnet,
            }
            for name in sorted(stored)
            if network in (None, name)
            for port in stored[name].network.ports
        ]

    def port(self, stored: StoredNetwork, name: str) -> Document:
        """One port with what the services of its network tell it."""
        network = stored.network
        at = {one.port: one.node for one in store.bindings(self._state) if one.network == network.name}
        return port_document(network, name, at.get(name), self._mtu(network.name))

    def nodes(self) -> list[Document]:
        """All nodes: external, registered, and declared ones whose agent has not come yet."""
        registered = store.nodes(self._state)
        applied, reports = store.applied(self._state), store.reports(self._state)
        known = store.declared_nodes(self._intent) | registered
        preferred = choice_among(self._intent, registered).wanted
        ignored = ignored_wishes(self._intent, self._state)
        return [
            {
                "name": node.name,
                "address": node.address,
                "second_address": node.second_address,
                "encapsulations": list(node.encapsulations),
                "prefers": list(preferred.get(node.name, node).encapsulations),
                "ignored": ignored.get(node.name, ""),
                "external": node.external,
                "registered": node.name in registered,
                "connected": not node.external and node.name in registered and self._connected(node.name),
                "applied": dict(applied.get(node.name, {})),
                **_reported(reports.get(node.name)),
            }
            for _, node in sorted(known.items())
        ]

    def tunnels(self) -> list[Document]:
        """Every pair of nodes, and networks with an order of their own; `reason` says what decided."""
        return list(Pairs(self._intent, self._state).lines())

    def appliances(self, network: str | None = None) -> list[Document]:
        """What nodes say of the appliances that they watch: `up` or `down`."""
        return self._rows("Appliance", ("network", "name", "node", "state"), network=network)

    def drops(self, node: str | None = None) -> list[Document]:
        """Packets that were not forwarded, by node, reason, what decided it and in which table."""
        return self._rows("Drop", ("node", "reason", "object", "table", "packets"), node=node)

    def counters(self, network: str | None = None) -> list[Document]:
        """Packets and bytes of ports, rules, chains and mirrors, and of networks, switches and routers, by node."""
        columns = ("network", "kind", "name", "node", "packets", "bytes")
        totals = self._rows("Total", columns, network=network, reason="")
        return [*self._rows("Counter", columns, network=network), *totals]

    def totals(self, network: str | None = None) -> list[Document]:
        """What networks, switches and routers have passed (`reason` empty) and dropped, by reason and node."""
        columns = ("network", "kind", "name", "reason", "node", "packets", "bytes")
        return self._rows("Total", columns, network=network)

    def backends(self, network: str | None = None) -> list[Document]:
        """What health checks found of backends, by the node that asked."""
        columns = ("network", "balancer", "address", "node", "up")
        return self._rows("Backend", columns, network=network)

    def _rows(self, table: str, columns: tuple[str, ...], **wanted: str | None) -> list[Document]:
        rows = (
            {column: row[column] for column in columns}
            for row in self._state(table)
            if all(value in (None, row[name]) for name, value in wanted.items())
        )
        # An absent value comes first, and is not compared with others.
        return sorted(rows, key=lambda row: [(row[name] is not None, row[name]) for name in columns[:-1]])


def change_document(change: Change) -> Document:
    """One difference."""
    return {"kind": change.kind, "path": change.path, "old": change.old, "new": change.new}


def snapshot_document(row: Row) -> Mapping[str, Any]:
    """A snapshot without the network in it."""
    return {name: row[name] for name in ("network", "name", "created", "by", "message", "generation")}


def history_document(row: Row) -> Document:
    """One change of a network, without the network in it."""
    columns = ("network", "generation", "created", "by", "what", "message", "summary")
    return {name: row[name] for name in columns}


def _reported(report: NodeReport | None) -> Document:
    if report is None:
        return {"underlay_mtu": None, "capabilities": {}, "refused": {}}
    return {
        "underlay_mtu": report.underlay_mtu,
        "capabilities": dict(report.capabilities),
        "refused": dict(report.refused),
    }


def _network_line(stored: StoredNetwork, late: set[str]) -> Document:
    network = stored.network
    return {
        "name": network.name,
        "generation": stored.generation,
        "switches": len(network.switches),
        "routers": len(network.routers),
        "ports": len(network.ports),
        "acls": len(network.acls),
        "paused": network.paused,
        "applied": not late,
        "behind": sorted(late),
    }
