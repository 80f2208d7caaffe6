"""A slow, obvious reading of flows: several nodes, packets as dicts of numbers, tunnels as calls.

It knows nothing of what the flows mean, so it judges the compilers, not the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from tulle.control import allocate, choose, compile_node, placement, requested_bindings, tunnels_of
from tulle.encap import encapsulations
from tulle.logical import compile_network
from tulle.values import (
    Controller,
    DecTtl,
    Encapsulation,
    Flow,
    Ids,
    LabFile,
    LocalPort,
    Move,
    Output,
    OutputInPort,
    Resubmit,
    SetField,
    Slice,
    Tunnel,
    TunnelPort,
)

Packet = dict[str, Any]
PIPELINE_FIELDS = ("metadata", "reg10", "reg14", "reg15", "tun_id")
RESUBMIT_MAX = 64


@dataclass
class Outcome:
    """What became of a packet, everywhere."""

    delivered: list[tuple[str, Packet]] = field(default_factory=list)
    punted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    tunnels: list[tuple[str, str, str]] = field(default_factory=list)
    path: list[str] = field(default_factory=list)


def number(value: Any) -> Any:
    """Addresses as numbers; ports and numbers as they are."""
    if not isinstance(value, str):
        return value
    if value.count(":") == 5 and all(len(part) == 2 for part in value.split(":")):
        return int(value.replace(":", ""), 16)
    return int(ip_address(value))


def packet(**fields: Any) -> Packet:
    """A packet out of readable fields."""
    return {name: number(value) for name, value in fields.items()}


class Fabric:
    """All nodes of a document with the flows that they should have."""

    def __init__(self, document: LabFile, known: dict[str, Encapsulation] | None = None) -> None:
        self.known = known or dict(encapsulations())
        self.ids = allocate(document.networks, Ids())
        nodes = {node.name: node for node in document.nodes}
        self.external = {node.name for node in document.nodes if node.external}
        chosen = choose(document.nodes, self.known)
        self.used = {(one.local, one.remote): one.encapsulation for one in chosen if isinstance(one, Tunnel)}
        self.flows: dict[str, list[Flow]] = {}
        bindings = requested_bindings(document.networks, nodes)
        for name in nodes:
            place = placement(name, document.networks, bindings)
            tunnels = tunnels_of(name, chosen, nodes)
            physical = compile_node(name, place.networks, place.bindings, tunnels, self.ids, self.known)
            logical = [one for network in place.networks for one in compile_network(network, self.ids)]
            self.flows[name] = [*physical, *logical]
        self.homes = {f"{one.network}/{one.port}": one.node for one in bindings}

    def send(self, port: str, sent: Packet) -> Outcome:
        """What becomes of a packet that the workload at `port` sends."""
        outcome = Outcome()
        self._receive(self.homes[port], LocalPort(port), dict(sent), outcome)
        return outcome

    def receive_from_tunnel(self, node: str, remote: str, sent: Packet) -> Outcome:
        """What becomes of a packet (with its `tun_id`) that `node` gets from `remote`."""
        outcome = Outcome()
        encapsulation = self.used[(min(node, remote), max(node, remote))]
        self._receive(node, TunnelPort(remote, encapsulation), dict(sent), outcome)
        return outcome

    def _receive(self, node: str, in_port: Any, arrived: Packet, outcome: Outcome) -> None:
        arrived |= {name: 0 for name in PIPELINE_FIELDS if name != "tun_id"}
        arrived.setdefault("tun_id", 0)
        self._table(node, 0, arrived | {"in_port": in_port}, outcome, 0)

    def _table(self, node: str, table: int, current: Packet, outcome: Outcome, depth: int) -> None:
        assert depth < RESUBMIT_MAX, outcome.path
        hits = [one for one in self.flows[node] if one.table == table and matches(one, current)]
        best = max((one.priority for one in hits), default=-1)
        winners = [one for one in hits if one.priority == best]
        assert len(winners) == 1, f"{node} table {table}: {winners} for {current}"
        won = winners[0]
        outcome.path.append(f"{node} {table} {won.owner}")
        if not won.actions:
            outcome.dropped.append(won.owner)
        for action in won.actions:
            self._act(node, action, current, outcome, depth)

    def _act(self, node: str, action: Any, current: Packet, outcome: Outcome, depth: int) -> None:
        match action:
            case SetField(field=name, value=value):
                current[name] = number(value)
            case Move(src=source, dst=target):
                _write(current, target, _read(current, source))
            case DecTtl():
                current["nw_ttl"] -= 1
            case Resubmit(table=table):
                self._table(node, table, current, outcome, depth + 1)
            case Controller(reason=reason):
                outcome.punted.append(reason)
            case Output(port=port):
                assert port != current["in_port"], "OpenFlow does not output to the ingress port"
                self._output(node, port, current, outcome)
            case OutputInPort():
                self._output(node, current["in_port"], current, outcome)

    def _output(self, node: str, port: Any, current: Packet, outcome: Outcome) -> None:
        frame = {k: v for k, v in current.items() if k not in (*PIPELINE_FIELDS, "in_port")}
        if isinstance(port, LocalPort):
            outcome.delivered.append((port.name, frame))
            return
        encapsulation = self.used[(min(node, port.node), max(node, port.node))]
        outcome.tunnels.append((node, port.node, encapsulation))
        wire = current["tun_id"]
        assert wire < 1 << self.known[encapsulation].context_bits, f"{wire:#x} does not fit {encapsulation}"
        if port.node in self.external:
            outcome.delivered.append((f"external {port.node}", frame | {"tun_id": wire}))
        else:
            self._receive(port.node, TunnelPort(node, encapsulation), frame | {"tun_id": wire}, outcome)


def matches(flow: Flow, current: Packet) -> bool:
    """Whether a packet fits; a field that it lacks fits nothing."""
    for one in flow.match:
        if one.field not in current:
            return False
        value, mask = number(one.value), number(one.mask)
        have = current[one.field]
        if (have != value) if mask is None else (have & mask != value & mask):
            return False
    return True


def ports_of(delivered: Iterable[tuple[str, Packet]]) -> list[str]:
    """Who got the packet."""
    return sorted(name for name, _ in delivered)


def _read(current: Packet, source: Slice) -> int:
    return int(current[source.field]) >> source.start & (1 << source.bits) - 1


def _write(current: Packet, target: Slice, value: int) -> None:
    mask = (1 << target.bits) - 1 << target.start
    current[target.field] = current.get(target.field, 0) & ~mask | value << target.start
