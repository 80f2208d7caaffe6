"""The local switch's Open_vSwitch rows: what is there, and the transactions that bring what is needed.

Interfaces that the agent made carry `external_ids:tulle-agent`.  Of others it sets the MTU of those that stand for
a logical port, where nobody else has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any
from uuid import UUID

from msgspec import Struct

from tulle.agent import abilities
from tulle.agent.view import PortName
from tulle.ovsdb import DatabaseSchema, NamedUuid, Transaction
from tulle.store import Source
from tulle.values import LocalPort, TunnelInterface, TunnelPort

BRIDGE = "br-int"
NAME_BYTES = 15
OWNER = "tulle-agent"
MTU_GIVEN = "tulle-mtu"
"""The MTU that the agent has asked for (`external_ids`), to tell it from one that a user wants."""


class Interface(Struct, frozen=True):
    """An interface as it should be."""

    name: str
    kind: str
    options: Mapping[str, str]
    external_ids: Mapping[str, str]


class Present(Struct, frozen=True):
    """An interface as the switch has it; `ofport` is -1 or None while it does not work."""

    interface: Interface
    port: UUID
    ofport: int | None
    ifindex: int | None
    error: str | None
    uuid: UUID | None = None
    mtu_request: int | None = None

    @property
    def works(self) -> bool:
        """Whether packets pass."""
        return self.ofport is not None and self.ofport > 0 and self.error is None

    @property
    def own(self) -> bool:
        """Whether the agent made it."""
        return OWNER in self.interface.external_ids

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


def tunnel_interface(node: str, local: str, tunnel: TunnelInterface) -> Interface:
    """The interface of a tunnel from the underlay address `local`."""
    options = {"remote_ip": tunnel.address, "local_ip": local, "key": "flow"}
    return Interface(tunnel_name(tunnel), tunnel.encapsulation, options, {"peer": tunnel.remote, OWNER: node})


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
    made = Interface(row["name"], row["type"], dict(row["options"]), dict(row["external_ids"]))
    state = row["ofport"], row["ifindex"], row["error"]
    return Present(made, port, *state, row["_uuid"], row["mtu_request"])


def numbers(there: Mapping[str, Present]) -> dict[LocalPort | TunnelPort, int]:
    """Switch port numbers of logical ports and tunnels that work."""
    out: dict[LocalPort | TunnelPort, int] = {}
    for name in sorted(there):
        one = there[name]
        if not one.works or one.ofport is None:
            continue
        if one.logical_port is not None:
            out.setdefault(LocalPort("/".join(one.logical_port)), one.ofport)
        elif "peer" in one.interface.external_ids:
            out.setdefault(TunnelPort(one.interface.external_ids["peer"]), one.ofport)
    return out


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


def surplus(there: Mapping[str, Present], desired: Iterable[Interface]) -> list[Present]:
    """The agent's own interfaces that are not needed, or not in this shape."""
    wanted = {one.name: one for one in desired}
    return [one for name, one in there.items() if one.own and wanted.get(name) != one.interface]


def write_mtus(schema: DatabaseSchema, there: Mapping[str, Present], mtus: Mapping[str, int]) -> Transaction:
    """Ask for the MTU of its network (`mtus`, in bytes) at each port that somebody else has plugged in.

    The devices that the agent made are in the workloads' namespaces, where it sets the MTU itself.
    """
    transaction = Transaction(schema)
    for one in there.values():
        mtu = mtus.get(one.logical_port[0]) if one.logical_port is not None else None
        given = one.interface.external_ids.get(MTU_GIVEN)
        is_ours_to_set = one.mtu_request is None or str(one.mtu_request) == given
        if mtu is None or one.own or one.uuid is None or not is_ours_to_set or one.mtu_request == mtu:
            continue
        external = {**one.interface.external_ids, MTU_GIVEN: str(mtu)}
        transaction.update("Interface", one.uuid, {"mtu_request": mtu, "external_ids": external})
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
    columns = {"name": one.name, "type": one.kind, "options": one.options, "external_ids": one.external_ids}
    interface = transaction.insert("Interface", columns)
    return transaction.insert("Port", {"name": one.name, "interfaces": [interface]})
