"""The local switch's Open_vSwitch rows: what is there, and the transactions that bring what is needed.

Interfaces that the agent made carry `external_ids:tulle-agent`.  Of others it sets the MTU of those that stand for
a logical port, where nobody else has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from tulle.agent import abilities
from tulle.agent.view import PortName
from tulle.ovsdb import DatabaseSchema, NamedUuid, Transaction
from tulle.store import Source
from tulle.values import LocalPort, Network, Node, TunnelInterface, TunnelPort, physical_port

BRIDGE = "br-int"
NAME_BYTES = 15
OWNER = "tulle-agent"
MTU_GIVEN = "tulle-mtu"
"""The MTU that the agent has asked for (`external_ids`), to tell it from one that a user wants."""
ENDPOINT = "tulle-endpoint"
EXTERNAL = "tulle-external"
"""Marks the tunnel to an endpoint without an agent (`external_ids`), which is known also when the endpoint has gone."""
PHYSICAL = "tulle-physical"
"""Names the physical network that an interface leads to (`external_ids`)."""
BFD = {"enable": "true", "min_rx": "300", "min_tx": "300", "check_tnl_key": "true"}
"""A failure is noticed after 0.9 s; tenants' packets have keys, so they cannot speak for the far end."""


class Interface(Struct, frozen=True):
    """An interface as it should be."""

    name: str
    kind: str
    options: Mapping[str, str]
    external_ids: Mapping[str, str]
    bfd: Mapping[str, str] = {}


class Present(Struct, frozen=True):
    """An interface as the switch has it; `ofport` is -1 or None while it does not work.

    `is_live`: nothing watches its health, or its far end is heard and hears.
    """

    interface: Interface
    port: UUID
    row: UUID
    ofport: int | None
    ifindex: int | None
    error: str | None
    mtu_request: int | None = None
    is_live: bool = True

    @property
    def works(self) -> bool:
        """Whether packets pass."""
        return self.ofport is not None and self.ofport > 0 and self.error is None

    @property
    def own(self) -> bool:
        """Whether the agent made it."""
        return OWNER in self.interface.external_ids

    @property
    def peer(self) -> str | None:
        """The node at the other end, if it is a tunnel."""
        return self.interface.external_ids.get("peer")

    @property
    def tunnel_port(self) -> TunnelPort | None:
        """What flows call it, if it is a tunnel."""
        if self.peer is None:
            return None
        return TunnelPort(self.peer, self.interface.kind, ENDPOINT in self.interface.external_ids)

    @property
    def physical(self) -> str | None:
        """The physical network that it leads to."""
        return self.interface.external_ids.get(PHYSICAL)

    @property
    def logical_port(self) -> PortName | None:
        """The logical port that it stands for (`external_ids:iface-id`)."""
        network, slash, port = self.interface.external_ids.get("iface-id", "").partition("/")
        return (network, port) if slash else None


def tap_name(node: str, port: PortName) -> str:
    """The device of a logical port: short, and the same at every start."""
    digest = blake2b(f"{node} {port[0]}/{port[1]}".encode(), digest_size=5).hexdigest()
    return f"t{digest}"


def tunnel_name(tunnel: TunnelInterface) -> str:
    """`stt-node2`, or with a hash where that is too long."""
    name = f"{tunnel.encapsulation}-{tunnel.remote}"
    if len(name.encode()) <= NAME_BYTES:
        return name
    return f"{tunnel.encapsulation[:5]}-{blake2b(tunnel.remote.encode(), digest_size=4).hexdigest()}"


def tap_interface(node: str, port: PortName) -> Interface:
    """The interface of a logical port that the agent plugs in itself."""
    external = {"iface-id": f"{port[0]}/{port[1]}", OWNER: node}
    return Interface(tap_name(node, port), "tap", {}, external)


def tunnel_interfaces(node: Node, tunnel: TunnelInterface) -> list[Interface]:
    """The interfaces of a tunnel: one, or two that are watched where both nodes have two endpoints."""
    first = tunnel_interface(node.name, node.address, tunnel)
    if not tunnel.second_address:
        return [first]
    options = {**first.options, "remote_ip": tunnel.second_address, "local_ip": node.second_address}
    external = {**first.external_ids, ENDPOINT: "second"}
    second = Interface(second_name(first.name), first.kind, options, external, BFD)
    return [msgspec.structs.replace(first, bfd=BFD), second]


def second_name(first: str) -> str:
    """`stt-node2+2`, or with a hash where that is too long; no node's name has that sign."""
    if len(f"{first}+2".encode()) <= NAME_BYTES:
        return f"{first}+2"
    return f"{first[:4]}+{blake2b(first.encode(), digest_size=4).hexdigest()}"


def tunnel_interface(node: str, local: str, tunnel: TunnelInterface) -> Interface:
    """The interface of a tunnel from the underlay address `local`."""
    options = {"remote_ip": tunnel.address, "local_ip": local, "key": "flow"}
    external = {"peer": tunnel.remote, OWNER: node, **({EXTERNAL: "true"} if tunnel.external else {})}
    return Interface(tunnel_name(tunnel), tunnel.encapsulation, options, external)


def collector_interface(node: Node, tunnel: TunnelInterface) -> Interface:
    """The tunnel to a collector of copies; nothing that comes from there is taken."""
    made = tunnel_interface(node.name, node.address, tunnel)
    name = f"m{blake2b(f'{tunnel.encapsulation} {tunnel.address}'.encode(), digest_size=5).hexdigest()}"
    return msgspec.structs.replace(made, name=name)


def physical_interfaces(
    node: str, devices: Mapping[str, str], networks: Iterable[Network]
) -> list[Interface]:
    """The devices of those physical networks that localnet ports of these networks ask for."""
    asked = {port.localnet for network in networks for port in network.ports if port.localnet is not None}
    return [
        Interface(devices[name], "", {}, {PHYSICAL: name, OWNER: node})
        for name in sorted(asked & devices.keys())
    ]


def physical_networks(there: Mapping[str, Present]) -> frozenset[str]:
    """The physical networks that this node has."""
    return frozenset(one.physical for one in there.values() if one.works and one.physical is not None)


def unlinked(source: Source, there: Mapping[str, Present]) -> list[int]:
    """The numbers of the switch ports of logical ports that somebody else plugged in and that have no link.

    The agent's own devices are in other namespaces, where a switch cannot see how they are.
    """
    down = {row["name"] for row in source("Interface") if row["link_state"] == "down"}
    found = (one.ofport for name, one in there.items() if name in down and one.logical_port and not one.own)
    return [number for number in found if number is not None]


def present(source: Source) -> dict[str, Present]:
    """The interfaces of the integration bridge by name, its own one left out."""
    ports = {row["_uuid"]: row for row in source("Port")}
    rows = {row["_uuid"]: row for row in source("Interface")}
    found = {}
    for bridge in source("Bridge"):
        if bridge["name"] != BRIDGE:
            continue
        for port in (ports[uuid] for uuid in bridge["ports"] if uuid in ports):
            for uuid in port["interfaces"]:
                if uuid in rows and rows[uuid]["name"] != BRIDGE:
                    found[rows[uuid]["name"]] = _present(port["_uuid"], rows[uuid])
    return found


def _present(port: UUID, row: Mapping[str, Any]) -> Present:
    made = Interface(
        row["name"], row["type"], dict(row["options"]), dict(row["external_ids"]), dict(row["bfd"])
    )
    state = row["ofport"], row["ifindex"], row["error"]
    is_live = not made.bfd or row["bfd_status"].get("forwarding") == "true"
    return Present(made, port, row["_uuid"], *state, row["mtu_request"], is_live)


def numbers(there: Mapping[str, Present]) -> dict[LocalPort | TunnelPort, int]:
    """Switch port numbers of logical ports and tunnels that work."""
    out: dict[LocalPort | TunnelPort, int] = {}
    for name in sorted(there):
        one = there[name]
        if not one.works or one.ofport is None:
            continue
        if one.logical_port is not None:
            out.setdefault(LocalPort("/".join(one.logical_port)), one.ofport)
        elif (tunnel := one.tunnel_port) is not None:
            out.setdefault(tunnel, one.ofport)
        elif one.physical is not None:
            out.setdefault(physical_port(one.physical), one.ofport)
    return out


def receiving(there: Mapping[str, Present]) -> frozenset[tuple[str, str]]:
    """Remote nodes and encapsulations in which packets come, at either endpoint."""
    live = (one.tunnel_port for one in there.values() if one.works and one.is_live)
    return frozenset((port.node, port.encapsulation) for port in live if port is not None)


def unheard(there: Mapping[str, Present]) -> frozenset[TunnelPort]:
    """Tunnels (by their first port) of which neither endpoint is heard, as when their watching has just begun."""
    working = {port: one for one in there.values() if one.works and (port := one.tunnel_port) is not None}
    live = {msgspec.structs.replace(port, second=False) for port, one in working.items() if one.is_live}
    return frozenset(port for port in working if not port.second and port not in live)


def foreign_ports(there: Mapping[str, Present]) -> frozenset[PortName]:
    """Logical ports that somebody else has plugged in here."""
    names = (one.logical_port for one in there.values() if not one.own)
    return frozenset(name for name in names if name is not None)


def needs_bridge(source: Source) -> bool:
    """Whether the integration bridge is missing or not as it should be."""
    return not any(
        row["name"] == BRIDGE
        and row["fail_mode"] == "secure"
        and "OpenFlow13" in row["protocols"]
        and row["datapath_id"] is not None
        for row in source("Bridge")
    )


def write_bridge(schema: DatabaseSchema, source: Source) -> Transaction:
    """Make the integration bridge: it drops what no flow forwards, also without an agent."""
    transaction = Transaction(schema)
    columns = {"fail_mode": "secure", "protocols": frozenset({"OpenFlow13"})}
    kind = abilities.datapath_type(source)
    for row in source("Bridge"):
        if row["name"] == BRIDGE:
            if row["fail_mode"] != "secure" or row["protocols"] != columns["protocols"]:
                transaction.update("Bridge", row["_uuid"], columns)
            return transaction
    interface = transaction.insert("Interface", {"name": BRIDGE, "type": "internal"})
    port = transaction.insert("Port", {"name": BRIDGE, "interfaces": [interface]})
    bridge = transaction.insert("Bridge", {"name": BRIDGE, "ports": [port], "datapath_type": kind, **columns})
    for row in source("Open_vSwitch"):
        transaction.mutate("Open_vSwitch", row["_uuid"], "bridges", "insert", [bridge])
    return transaction


def missing(there: Mapping[str, Present], desired: Iterable[Interface]) -> list[Interface]:
    """Interfaces to add; one that is there in another shape is first to be removed (see `surplus`)."""
    return [one for one in desired if one.name not in there]


def renamed(there: Mapping[str, Present], added: Iterable[Interface]) -> list[Present]:
    """The agent's own tunnels that are added under another name: a switch has one between two addresses."""
    made = [(one.kind, one.options) for one in added if "peer" in one.external_ids]
    own = (one for one in there.values() if one.own and one.peer)
    return [one for one in own if (one.interface.kind, one.interface.options) in made]


def surplus(there: Mapping[str, Present], desired: Iterable[Interface]) -> list[Present]:
    """The agent's own interfaces that are not needed, or not in this shape."""
    wanted = {one.name: one for one in desired}
    return [one for name, one in there.items() if one.own and not _has_shape(one, wanted.get(name))]


def _has_shape(one: Present, wanted: Interface | None) -> bool:
    """Whether an interface is as it is to be, but for what is changed in place.

    That is how its health is watched (`write_health`) and whether it is external (`write_marks`).
    """
    if wanted is None:
        return False
    there = msgspec.structs.replace(one.interface, bfd=wanted.bfd, external_ids=_unmarked(one.interface))
    return there == msgspec.structs.replace(wanted, external_ids=_unmarked(wanted))


def _unmarked(interface: Interface) -> dict[str, str]:
    return {key: value for key, value in interface.external_ids.items() if key != EXTERNAL}


def write_marks(
    schema: DatabaseSchema, there: Mapping[str, Present], desired: Iterable[Interface]
) -> Transaction:
    """Mark the agent's own tunnels as external or not, where an earlier release or another row said otherwise."""
    transaction = Transaction(schema)
    for wanted in desired:
        one = there.get(wanted.name)
        same = one is None or one.interface.external_ids == wanted.external_ids
        if one is not None and not same and one.own and _has_shape(one, wanted):
            transaction.update("Interface", one.row, {"external_ids": wanted.external_ids})
    return transaction


def write_health(
    schema: DatabaseSchema,
    there: Mapping[str, Present],
    desired: Iterable[Interface],
    doubled: Collection[str] = frozenset(),
) -> Transaction:
    """Have the agent's own interfaces watched as they are to be.

    `doubled` are the nodes with two endpoints.  One of them may still send by whichever it hears, so what it hears
    goes on to speak until it has stopped to listen.
    """
    transaction = Transaction(schema)
    for wanted in desired:
        one = there.get(wanted.name)
        if one is None or not one.own or one.interface.bfd == wanted.bfd:
            continue
        if wanted.bfd or not (one.is_live and one.peer in doubled):
            transaction.update("Interface", one.row, {"bfd": wanted.bfd})
    return transaction


def write_mtus(schema: DatabaseSchema, there: Mapping[str, Present], mtus: Mapping[str, int]) -> Transaction:
    """Ask for the MTU of its network (`mtus`, in bytes) at each port that somebody else has plugged in.

    The devices that the agent made are in the workloads' namespaces, where it sets the MTU itself.
    """
    transaction = Transaction(schema)
    for one in there.values():
        mtu = mtus.get(one.logical_port[0]) if one.logical_port is not None else None
        given = one.interface.external_ids.get(MTU_GIVEN)
        is_ours_to_set = one.mtu_request is None or str(one.mtu_request) == given
        if mtu is None or one.own or not is_ours_to_set or one.mtu_request == mtu:
            continue
        external = {**one.interface.external_ids, MTU_GIVEN: str(mtu)}
        transaction.update("Interface", one.row, {"mtu_request": mtu, "external_ids": external})
    return transaction


def write_interfaces(
    schema: DatabaseSchema, source: Source, add: Iterable[Interface], remove: Iterable[Present]
) -> Transaction:
    """Add and remove interfaces of the integration bridge."""
    transaction = Transaction(schema)
    bridge = next(row["_uuid"] for row in source("Bridge") if row["name"] == BRIDGE)
    gone = [one.port for one in remove]
    if gone:
        transaction.mutate("Bridge", bridge, "ports", "delete", gone)
    added: list[NamedUuid] = [_insert(transaction, one) for one in add]
    if added:
        transaction.mutate("Bridge", bridge, "ports", "insert", added)
    return transaction


def _insert(transaction: Transaction, one: Interface) -> NamedUuid:
    columns = {
        "name": one.name,
        "type": one.kind,
        "options": one.options,
        "external_ids": one.external_ids,
        "bfd": one.bfd,
    }
    interface = transaction.insert("Interface", columns)
    return transaction.insert("Port", {"name": one.name, "interfaces": [interface]})
