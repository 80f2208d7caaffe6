"""The words of the logical view: a virtual network and all that is inside it.

Addresses are canonical text, as `ipaddress` prints it; MAC addresses are lower case with colons.
Nothing here knows of nodes beyond the name that a port asks for, nor of tunnels or flows.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Direction = Literal["from-port", "to-port"]
AclAction = Literal["allow", "drop"]
Protocol = Literal["", "ip", "ip4", "ip6", "tcp", "udp", "icmp", "icmp6", "arp"]


class Match(Struct, frozen=True, omit_defaults=True):
    """What an ACL or a trace speaks of; an absent field means any.

    `protocol` is empty for any frame.  `src` and `dst` are an address or a prefix, both of one
    family; for `arp` they are the sender's and the target's protocol address (RFC 826).
    """

    protocol: Protocol = ""
    src: str | None = None
    dst: str | None = None
    sport: int | None = None
    dport: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


class LogicalSwitch(Struct, frozen=True):
    """One broadcast domain and the subnets (`10.0.1.0/24`) that live on it."""

    name: str
    subnets: tuple[str, ...] = ()


class RouterPort(Struct, frozen=True):
    """Where a router meets a switch; `addresses` carry their prefix (`10.0.1.1/24`)."""

    name: str
    switch: str
    mac: str
    addresses: tuple[str, ...] = ()


class StaticRoute(Struct, frozen=True):
    """Packets to `prefix` go to `next_hop`, an address on a subnet of the router."""

    prefix: str
    next_hop: str


class LogicalRouter(Struct, frozen=True):
    """A distributed router: every node that needs it forwards for it."""

    name: str
    ports: tuple[RouterPort, ...] = ()
    routes: tuple[StaticRoute, ...] = ()


class LogicalPort(Struct, frozen=True):
    """Where a workload plugs in.

    `node` is the node that is asked for, or None while the port is unbound.  `namespace` is the
    network namespace into which the agent puts `interface`; None leaves it in the agent's own.
    """

    name: str
    switch: str
    mac: str
    addresses: tuple[str, ...] = ()
    node: str | None = None
    namespace: str | None = None
    interface: str = "tap"


class Acl(Struct, frozen=True):
    """Allow or drop what `match` describes, going into or out of a switch or one port.

    Exactly one of `switch` and `port` is set.  The highest priority wins; no match means allow.
    """

    name: str
    direction: Direction
    priority: int
    match: Match
    action: AclAction
    switch: str | None = None
    port: str | None = None


class Network(Struct, frozen=True):
    """A virtual network: the object that is created, snapshotted, rolled back and deleted whole.

    `encapsulations` are what it wants to be carried by, best first, for the control plane to understand;
    empty: as the nodes prefer.
    """

    name: str
    switches: tuple[LogicalSwitch, ...] = ()
    routers: tuple[LogicalRouter, ...] = ()
    ports: tuple[LogicalPort, ...] = ()
    acls: tuple[Acl, ...] = ()
    encapsulations: tuple[str, ...] = ()


class Change(Struct, frozen=True):
    """One difference between two networks; `path` is e.g. `red/ports/web1/node`."""

    kind: Literal["added", "removed", "changed"]
    path: str
    old: object = None
    new: object = None


class RouterInterface(Struct, frozen=True):
    """A router port in numbers: what one needs to answer a packet that the router refused."""

    owner: str
    router_datapath: int
    router_port: int
    switch_datapath: int
    switch_port: int
    mac: str
    addresses: tuple[str, ...]
