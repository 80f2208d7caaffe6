"""What switches, routers and whole networks count: what their ports sent and got, what they routed, what they dropped.

A flow counts for its switch and its network also when its port is gone later, so sums never go backwards.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from tulle.agent.counters import COUNTING_TABLES, Place, drop_reason
from tulle.openflow.flows import flow_cookie, flow_table
from tulle.store import Source, Writer
from tulle.values import Ids, Network, pipeline

Total = tuple[str, str, str, str]
"""Network, kind (`network`, `switch`, `router`), name, and the reason of drops, which is empty for what passed."""
_METADATA: Final = re.compile(r"[, ]metadata=(0x[0-9a-f]+|\d+)")


class Whereabouts(Struct, frozen=True):
    """The switch of each port (`network/port`), and what datapath numbers stand for: network, kind, name."""

    ports: Mapping[str, tuple[str, str]] = MappingProxyType({})
    datapaths: Mapping[int, tuple[str, str, str]] = MappingProxyType({})

    @classmethod
    def of(cls, networks: Iterable[Network], ids: Ids) -> Whereabouts:
        """Those of all networks."""
        ports, kinds = {}, {}
        for network in networks:
            ports.update({f"{network.name}/{one.name}": (network.name, one.switch) for one in network.ports})
            kinds.update({f"{network.name}/{one.name}": "switch" for one in network.switches})
            kinds.update({f"{network.name}/{one.name}": "router" for one in network.routers})
        found = {}
        for path, number in ids.datapaths.items():
            network_name, _, name = path.partition("/")
            if path in kinds:
                found[number] = (network_name, kinds[path], name)
        return cls(ports, found)


def flow_totals(text: str, owners: Mapping[int, str], places: Whereabouts) -> tuple[Total, ...]:
    """All that a flow counts for."""
    owner, number = owners.get(flow_cookie(text), ""), flow_table(text)
    if reason := drop_reason(text, owner):
        at = _datapath(text, places) or _of_port(owner, places)
        network = at[0] if at is not None else _network(owner)
        return tuple(_both(network, at, reason)) if network else ()
    kind, _, path = owner.partition(" ")
    if kind == "port" and number in COUNTING_TABLES["port"] and path in places.ports:
        network, switch = places.ports[path]
        return tuple(_both(network, (network, "switch", switch), ""))
    if number == pipeline.ROUTING and (at := _datapath(text, places)) is not None:
        return ((*at, ""),)
    return ()


def drop_totals(
    drops: Mapping[Place, int], places: Whereabouts
) -> Iterator[tuple[str, tuple[Total, ...], int]]:
    """Name, what it counts for, and packets, of what the switch lost by itself at logical ports."""
    for (reason, port, table), packets in drops.items():
        if port in places.ports:
            network, switch = places.ports[port]
            counted = tuple(_both(network, (network, "switch", switch), reason))
            yield f"{reason} {port} {table}", counted, packets


def total_objects(network: Network) -> Iterator[tuple[str, str, str]]:
    """(network, kind, name) of a network itself, its switches and its routers."""
    yield network.name, "network", network.name
    for kind, found in (("switch", network.switches), ("router", network.routers)):
        yield from ((network.name, kind, one.name) for one in found)


def write_totals(
    writer: Writer,
    source: Source,
    node: str,
    counts: Mapping[Total, tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    """Operations that make this node's rows of `Total` equal these: all that was counted, and what is past of it."""
    desired = [
        {
            "node": node,
            "network": network,
            "kind": kind,
            "name": name,
            "reason": reason,
            "packets": counted[0],
            "bytes": counted[1],
            "past_packets": past[0],
            "past_bytes": past[1],
        }
        for (network, kind, name, reason), (counted, past) in sorted(counts.items())
    ]
    writer.replace("Total", [row for row in source("Total") if row["node"] == node], desired)


def _both(network: str, at: tuple[str, str, str] | None, reason: str) -> Iterator[Total]:
    yield network, "network", network, reason
    if at is not None:
        yield *at, reason


def _datapath(text: str, places: Whereabouts) -> tuple[str, str, str] | None:
    found = _METADATA.search(text.partition(" actions=")[0])
    return None if found is None else places.datapaths.get(int(found[1], 0) & pipeline.DATAPATH_MASK)


def _of_port(owner: str, places: Whereabouts) -> tuple[str, str, str] | None:
    # A limit's is `limit network/port/direction`.
    path = "/".join(owner.rpartition(" ")[2].split("/")[:2])
    at = places.ports.get(path)
    return None if at is None else (at[0], "switch", at[1])


def _network(owner: str) -> str:
    """The network in an owner such as `acl red/rule` or `network red (paused)`."""
    words = owner.split()
    if len(words) > 1 and words[0] == "network":
        return words[1]
    return next((word.partition("/")[0] for word in words[1:] if "/" in word), "")
