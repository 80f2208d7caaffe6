"""Layer 2 in the databases: tags, child and localnet ports, snooping; and what nodes say of groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from msgspec.structs import replace

from tulle.errors import InvalidInput
from tulle.values import LogicalSwitch, Membership, Multicast
from tulle.values.network import Vlan

from .writer import Row, Source, Writer

_YES, _NO = "true", "false"


def switch_columns(switch: LogicalSwitch) -> Row:
    """What a switch does with tags and groups; the map is empty where it does not snoop."""
    return {
        "vlan": switch.vlan,
        "multicast": {} if switch.multicast is None else _multicast_map(switch.multicast),
    }


def with_switch_columns(switch: LogicalSwitch, row: Row) -> LogicalSwitch:
    """The switch with that; a column that is empty is as it was before it was."""
    found = row["multicast"]
    return replace(
        switch,
        vlan=cast(Vlan, row["vlan"] or "refuse"),
        multicast=_multicast(found) if found else None,
    )


def port_columns(row: Row) -> dict[str, Any]:
    """A port's parent, tag and physical network, by the fields of the value."""
    return {name: row[name] for name in ("parent", "tag", "localnet")}


def memberships(source: Source) -> frozenset[tuple[str, Membership]]:
    """What nodes say of the groups of ports, with the node that says it."""
    return frozenset(
        (row["node"], Membership(row["network"], row["switch"], row["group"], port))
        for row in source("Membership")
        for port in row["ports"]
    )


def write_memberships(writer: Writer, source: Source, node: str, known: Iterable[Membership]) -> None:
    """Operations by which an agent says which groups the ports at its node have joined."""
    ports: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for one in known:
        ports[one.network, one.switch, one.group].add(one.port)
    desired = [
        {"node": node, "network": network, "switch": switch, "group": group, "ports": frozenset(several)}
        for (network, switch, group), several in sorted(ports.items())
    ]
    writer.replace("Membership", [row for row in source("Membership") if row["node"] == node], desired)


def speakers(source: Source) -> dict[tuple[str, str], str]:
    """The nodes that speak for others in physical networks, by network and switch."""
    return {(row["network"], row["switch"]): row["node"] for row in source("Speaker")}


def write_speaker(writer: Writer, source: Source, network: str, switch: str, node: str) -> None:
    """Operations by which a node speaks for a switch from now on; of two that begin at once, one is refused."""
    values = {"network": network, "switch": switch, "node": node}
    writer.upsert("Speaker", source("Speaker"), [values])


def delete_strays(writer: Writer, source: Source, networks: Collection[str], nodes: Collection[str]) -> None:
    """Operations that forget what was said of networks, and by nodes, that are not among these."""
    for row in source("Speaker"):
        if row["network"] not in networks:
            writer.delete("Speaker", row)
    for row in source("Membership"):
        if row["network"] not in networks or row["node"] not in nodes:
            writer.delete("Membership", row)


def physical(source: Source) -> dict[str, frozenset[str]]:
    """The physical networks that nodes have."""
    return {row["name"]: frozenset(row["physical"]) for row in source("Node") if row["physical"]}


def _multicast_map(one: Multicast) -> dict[str, str]:
    flags = {"flood_unregistered": one.flood_unregistered, "querier": one.querier}
    words = {key: _YES if flag else _NO for key, flag in flags.items()}
    return {**words, "query_s": str(one.query_s), "idle_s": str(one.idle_s)}


def _multicast(shown: Mapping[str, str]) -> Multicast:
    try:
        return Multicast(
            {_YES: True, _NO: False}[shown["flood_unregistered"]],
            {_YES: True, _NO: False}[shown["querier"]],
            int(shown["query_s"]),
            int(shown["idle_s"]),
        )
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"how a switch snoops was expected, {dict(shown)} came ({error})") from None
