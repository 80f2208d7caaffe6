"""The database `Tulle_State`: nodes, tunnels, numbers and bindings, from rows to values and back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tulle.values import Binding, Ids, Node, NodeReport, Tunnel, TunnelEnd, Unreachable

from .intent import node_of, node_row
from .writer import Row, Source, Writer


def nodes(source: Source) -> dict[str, Node]:
    """The nodes that exist, by name: those whose agent registered itself, and external ones."""
    return {row["name"]: node_of(row) for row in sorted(source("Node"), key=lambda row: str(row["name"]))}


def applied(source: Source) -> dict[str, Mapping[str, int]]:
    """For each node with an agent: which generation of each network it has applied."""
    return {row["name"]: row["applied"] for row in source("Node") if not row["external"]}


def reports(source: Source) -> dict[str, NodeReport]:
    """What the agents say of their hosts, by node; those that have not said anything yet are left out."""
    return {
        row["name"]: NodeReport(
            row["underlay_mtu"], row["capabilities"], row["refused"], frozenset(row["physical"])
        )
        for row in source("Node")
        if row["underlay_mtu"] is not None
    }


def mute_nodes(source: Source) -> frozenset[str]:
    """The nodes whose agents never report on themselves or on tunnels: those of an early release."""
    return frozenset(row["name"] for row in source("Node") if row["underlay_mtu"] is None)


def tunnels(source: Source) -> tuple[Tunnel | Unreachable, ...]:
    """Every pair of nodes, `local` < `remote`, with the encapsulation chosen or why there is none."""
    return tuple(sorted(map(_tunnel, source("Tunnel")), key=lambda one: (one.local, one.remote)))


def tunnel_ends(source: Source) -> dict[tuple[str, str], TunnelEnd]:
    """What nodes say of their tunnels, by (node, remote)."""
    found = map(_tunnel_end, source("Tunnel_End"))
    return {(one.node, one.remote): one for one in found}


def ids(source: Source) -> Ids:
    """The numbers of all datapaths and ports."""
    return Ids(
        {f"{row['network']}/{row['name']}": row["id"] for row in source("Datapath")},
        {f"{row['network']}/{row['datapath']}/{row['port']}": row["key"] for row in source("Port_Key")},
    )


def bindings(source: Source) -> tuple[Binding, ...]:
    """Where the ports are."""
    found = (Binding(row["network"], row["port"], row["node"]) for row in source("Binding"))
    return tuple(sorted(found, key=lambda one: (one.network, one.port)))


def write_node(
    writer: Writer,
    source: Source,
    node: Node,
    applied: Mapping[str, int] | None = None,
    report: NodeReport | None = None,
) -> None:
    """Operations by which an agent registers its node; what is None stays as it is."""
    values = {**node_row(node), "second_address": node.second_address}
    if applied is not None:
        values["applied"] = dict(applied)
    if report is not None:
        values |= {
            "underlay_mtu": report.underlay_mtu,
            "capabilities": dict(report.capabilities),
            "physical": report.physical,
            "refused": dict(report.refused),
        }
    _upsert(writer, source, "Node", values)


def write_heartbeat(writer: Writer, source: Source, node: str) -> None:
    """Operations by which an agent says, every few seconds, that it lives; nothing is kept on disk."""
    for row in source("Node"):
        if row["name"] == node:
            writer.update("Node", row, {"heartbeat": row["heartbeat"] + 1})


def write_binding(writer: Writer, source: Source, binding: Binding, interface: str) -> None:
    """Operations by which an agent claims a port, from whichever node had it."""
    values = {"network": binding.network, "port": binding.port, "node": binding.node, "interface": interface}
    _upsert(writer, source, "Binding", values)


def write_external_nodes(writer: Writer, source: Source, external: Iterable[Node]) -> None:
    """Operations that make the external nodes equal these; nodes with an agent stay as they are."""
    rows = list(source("Node"))
    registered = {row["name"] for row in rows if not row["external"]}
    desired = [node_row(node) for node in external if node.name not in registered]
    writer.replace("Node", [row for row in rows if row["external"]], desired)


def write_tunnels(writer: Writer, source: Source, chosen: Iterable[Tunnel | Unreachable]) -> None:
    """Operations that make the tunnels equal these."""
    writer.replace("Tunnel", source("Tunnel"), map(_tunnel_row, chosen))


def write_tunnel_ends(writer: Writer, source: Source, node: str, ends: Iterable[TunnelEnd]) -> None:
    """Operations by which an agent says what its tunnels do."""
    rows = [row for row in source("Tunnel_End") if row["node"] == node]
    writer.replace("Tunnel_End", rows, map(_tunnel_end_row, ends))


def delete_tunnel_ends(writer: Writer, source: Source, nodes: Collection[str]) -> None:
    """Operations that forget what nodes said that are not among these."""
    for row in source("Tunnel_End"):
        if row["node"] not in nodes:
            writer.delete("Tunnel_End", row)


def write_ids(writer: Writer, source: Source, ids: Ids, routers: Iterable[str]) -> None:
    """Operations that make the numbers equal these; `routers`: the datapaths (`network/name`) that route."""
    routing = frozenset(routers)
    datapaths: list[Row] = []
    for path, number in ids.datapaths.items():
        network, name = path.split("/")
        kind = "router" if path in routing else "wire" if ":" in name else "switch"
        datapaths.append({"network": network, "kind": kind, "name": name, "id": number})
    writer.replace("Datapath", source("Datapath"), datapaths)
    keys: list[Row] = []
    for path, number in ids.ports.items():
        network, datapath, port = path.split("/")
        keys.append({"network": network, "datapath": datapath, "port": port, "key": number})
    writer.replace("Port_Key", source("Port_Key"), keys)


def _upsert(writer: Writer, source: Source, table: str, values: Row) -> None:
    writer.upsert(table, source(table), [values])


def _tunnel(row: Row) -> Tunnel | Unreachable:
    if row["encapsulation"] is None:
        return Unreachable(row["local"], row["remote"], row["reason"])
    return Tunnel(
        row["local"],
        row["remote"],
        row["encapsulation"],
        dict(row["networks"]),
        dict(row["coming"]),
        tuple(sorted(row["leaving"])),
        row["generation"],
    )


def _tunnel_row(tunnel: Tunnel | Unreachable) -> Row:
    if isinstance(tunnel, Unreachable):
        ends = Tunnel(tunnel.local, tunnel.remote, "", generation=0)
        return {**_tunnel_row(ends), "encapsulation": None, "reason": tunnel.reason}
    return {
        "local": tunnel.local,
        "remote": tunnel.remote,
        "encapsulation": tunnel.encapsulation,
        "reason": "",
        "networks": dict(tunnel.networks),
        "coming": dict(tunnel.coming),
        "leaving": frozenset(tunnel.leaving),
        "generation": tunnel.generation,
    }


def _tunnel_end(row: Row) -> TunnelEnd:
    receives, sends = (tuple(sorted(row[name])) for name in ("receives", "sends"))
    return TunnelEnd(row["node"], row["remote"], row["generation"], receives, sends)


def _tunnel_end_row(end: TunnelEnd) -> Row:
    return {
        "node": end.node,
        "remote": end.remote,
        "generation": end.generation,
        "receives": frozenset(end.receives),
        "sends": frozenset(end.sends),
    }
