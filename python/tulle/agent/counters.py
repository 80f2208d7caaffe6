"""Counters by name: what flows and the switch have counted, as rows of `Counter` and `Drop`.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tulle.agent.limiting import DIRECTIONS, METERED
from tulle.openflow import DumpedFlow
from tulle.openflow.flows import flow_cookie, flow_table
from tulle.store import Source, Writer
from tulle.values import Network, pipeline

FLOW_DROP = "flow"
COUNTING_TABLES = {
    "port": {pipeline.PHYSICAL_INGRESS, pipeline.DELIVER},
    "chain": {pipeline.CHAIN_FROM_PORT, pipeline.CHAIN_TO_PORT},
    "mirror": {pipeline.MIRROR_COPY},
    "policy": {pipeline.ROUTING_POLICY},
}
_EXPLAINED_BY_FLOWS = {"dropped-by-flow", "metered"}
_RULES = {"acl", "balancer", "nat"}
_REASONS = {"acl", "chain", "default", "forwarding", "policy", "port security"}
_LIMIT = "limit"
Counts = dict[tuple[str, str, str], tuple[int, int]]
Place = tuple[str, str, int | None]
"""Reason, object, and table of the switch where there is one."""


def flow_object(text: str, owners: Mapping[int, str]) -> tuple[str, str, str] | None:
    """(network, kind, name) that a flow counts for.

    Of rules what they decided, of ports what they sent and got, of chains what went in either way, of mirrors copies,
    of limits what they dropped.
    """
    kind, _, path = owners.get(flow_cookie(text), "").partition(" ")
    network, slash, name = path.partition("/")
    counted = kind in _RULES or flow_table(text) in COUNTING_TABLES.get(kind, ())
    counted = counted or (kind == _LIMIT and METERED in text)
    return (network, kind, name) if slash and counted else None


def counted_objects(network: Network) -> Iterator[tuple[str, str, str]]:
    """(network, kind, name) of all that counts."""
    rules = (rule for router in network.routers for rule in router.nat)
    policies = (policy for router in network.routers for policy in router.policies)
    kinds = (
        ("port", network.ports),
        ("acl", network.acls),
        ("nat", rules),
        ("balancer", network.load_balancers),
        ("chain", network.chains),
        ("mirror", network.mirrors),
        ("policy", policies),
    )
    for kind, found in kinds:
        yield from ((network.name, kind, one.name) for one in found)
    for port in network.ports:
        if port.qos is not None:
            yield from ((network.name, _LIMIT, f"{port.name}/{direction}") for direction, _ in DIRECTIONS)


def flow_counters(flows: Iterable[DumpedFlow], owners: Mapping[int, str]) -> Counts:
    """(packets, bytes) by (network, kind, name): of rules what they decided, of ports what they sent and got."""
    found: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for flow in flows:
        if (key := flow_object(flow.text, owners)) is not None:
            sums = found[key]
            sums[0] += flow.packets
            sums[1] += flow.bytes
    return {key: (sums[0], sums[1]) for key, sums in found.items()}


def flow_drops(flows: Iterable[DumpedFlow], owners: Mapping[int, str]) -> dict[Place, int]:
    """Packets by (reason, object, table) that ended in flows; those of policies are reasons of their own."""
    found: defaultdict[Place, int] = defaultdict(int)
    for flow in flows:
        owner = owners.get(flow_cookie(flow.text), "")
        if flow.packets and (reason := drop_reason(flow.text, owner)):
            name = owner if reason == FLOW_DROP else owner.rpartition(" ")[2]
            found[reason, name, flow_table(flow.text)] += flow.packets
    return dict(found)


def drop_reason(text: str, owner: str) -> str:
    """Why packets end at a flow; empty where they do not."""
    kind = owner.rpartition(" ")[0]
    if not _drops(text, kind):
        return ""
    return kind if kind in {*_REASONS, _LIMIT} else FLOW_DROP


def _drops(text: str, kind: str) -> bool:
    """Whether packets end at a flow; an ACL may have something to do before: mark a connection, tell the agent."""
    actions = text.rpartition(" actions=")[2]
    return actions == "drop" or (kind in _REASONS and "resubmit" not in actions)


def switch_drops(drops: Iterable[Mapping[str, Any]], names: Mapping[int, str]) -> dict[Place, int]:
    """Packets by (reason, port name, table) that the switch lost by itself; what flows explain is left out."""
    found: defaultdict[Place, int] = defaultdict(int)
    for drop in drops:
        if drop["reason"] not in _EXPLAINED_BY_FLOWS:
            port = drop.get("port")
            name = names.get(port, "") if port is not None else ""
            found[str(drop["reason"]), name, drop.get("table")] += int(drop["packets"])
    return dict(found)


def write_drops(writer: Writer, source: Source, node: str, drops: Mapping[Place, int]) -> None:
    """Operations that make this node's rows of `Drop` equal these."""
    desired = [
        {"node": node, "reason": reason, "object": name, "table": table, "packets": packets}
        for (reason, name, table), packets in drops.items()
    ]
    writer.replace("Drop", [row for row in source("Drop") if row["node"] == node], desired)
