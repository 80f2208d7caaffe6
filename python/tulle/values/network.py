"""The words of the logical view: a virtual network and all that is inside it.

Addresses are canonical text, as `ipaddress` prints it; MAC addresses are lower case with colons.
Nothing here knows of nodes beyond the name that a port asks for, nor of tunnels or flows.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .match import Match
from .multicast import Multicast
from .routes import RoutingPolicy, StaticRoute
from .shaping import Qos
from .translation import LoadBalancer, Nat

Direction = Literal["from-port", "to-port"]
AclAction = Literal["allow", "allow-related", "drop", "reject", "pass"]
Configure = Literal["agent", "dhcp"]
Forwarding = Literal["dual", "ipv4", "ipv6", "l2"]
Advertises = Literal["off", "slaac", "dhcpv6"]
Fail = Literal["open", "closed"]
Vlan = Literal["refuse", "transparent"]
MirrorDirection = Literal["from-port", "to-port", "both"]


class LogicalSwitch(Struct, frozen=True):
    """One broadcast domain and the subnets (`10.0.1.0/24`) that live on it.

    With `dhcp` every node tells workloads there their addresses.  DHCP and DNS speak with the address of the
    router, or with `service_addresses` where there is none of a family.
    `vlan` says what becomes of frames that a workload has tagged (IEEE 802.1Q) and that are no child port's.
    With `multicast` groups go to those alone who have asked for them; without, to everybody.
    """

    name: str
    subnets: tuple[str, ...] = ()
    dhcp: Dhcp | None = None
    service_addresses: tuple[str, ...] = ()
    vlan: Vlan = "refuse"
    multicast: Multicast | None = None


class RouterPort(Struct, frozen=True):
    """Where a router meets a switch; `addresses` carry their prefix (`10.0.1.1/24`).

    `ra` is what its router advertisements (RFC 4861) say: that workloads make IPv6 addresses of the prefix
    themselves, or that they ask DHCPv6; or there are none.
    """

    name: str
    switch: str
    mac: str
    addresses: tuple[str, ...] = ()
    ra: Advertises = "off"


class Dhcp(Struct, frozen=True):
    """What DHCP tells besides addresses; `lease_s` is how long these are good for.

    Without `dns` and `domain` it tells those of the network, if that has names.
    """

    lease_s: int = 3600
    dns: tuple[str, ...] = ()
    domain: str = ""
    routes: tuple[StaticRoute, ...] = ()


class Dns(Struct, frozen=True):
    """Names for the ports of a network in `domain`; where that is empty, in `NETWORK.internal`."""

    domain: str = ""


class LogicalRouter(Struct, frozen=True):
    """A distributed router: every node that needs it forwards for it."""

    name: str
    ports: tuple[RouterPort, ...] = ()
    routes: tuple[StaticRoute, ...] = ()
    nat: tuple[Nat, ...] = ()
    policies: tuple[RoutingPolicy, ...] = ()


class LogicalPort(Struct, frozen=True):
    """Where a workload plugs in.

    `node` is the node that is asked for, or None while the port is unbound.  `namespace` is the
    network namespace into which the agent puts `interface`; None leaves it in the agent's own.
    With `port_security` the workload may speak only as itself: with its MAC and IP addresses.
    The agent gives the interface its addresses, or leaves that to a client of DHCP (`configure`).
    `qos` goes with the port wherever it is.
    A child port has no interface of its own: it is what its `parent` tags with the VLAN `tag`, wherever that is.
    A `localnet` port is no workload: it joins its switch to a physical network, on every node that has that, there
    in the VLAN `tag`, or untagged.
    """

    name: str
    switch: str
    mac: str
    addresses: tuple[str, ...] = ()
    node: str | None = None
    namespace: str | None = None
    interface: str = "tap"
    port_security: bool = False
    configure: Configure = "agent"
    qos: Qos | None = None
    parent: str | None = None
    tag: int | None = None
    localnet: str | None = None


class PortGroup(Struct, frozen=True):
    """Ports of a network under one name, for ACLs to be at and to speak of."""

    name: str
    ports: tuple[str, ...] = ()


class AddressSet(Struct, frozen=True):
    """Addresses and prefixes, of both families, under one name, for ACLs to speak of."""

    name: str
    addresses: tuple[str, ...] = ()


class Acl(Struct, frozen=True):
    """What becomes of what `match` describes, going into or out of a switch, a port or a group's ports.

    Exactly one of `switch`, `port` and `group` is set.  Lower tiers are asked first; in a tier the highest
    priority wins, and no match means the next tier.  `allow` is for this packet alone, `allow-related`
    for the connection that it begins, with answers and ICMP errors; `reject` drops and says so to the
    sender, `pass` goes on with the next tier.  `log` is how many packets a second may be logged.
    An ACL under `audit` counts and logs what it would drop, and drops nothing.
    """

    name: str
    direction: Direction
    priority: int
    match: Match
    action: AclAction
    switch: str | None = None
    port: str | None = None
    group: str | None = None
    tier: int = 0
    log: int = 0
    audit: bool = False


class Appliance(Struct, frozen=True, rename={"inlet": "in", "outlet": "out"}):
    """What packets are sent through: enters by port `inlet`, leaves by `outlet`, and the other way round for answers.

    One with a single port listens: it gets a copy, and the packet goes on at once.
    """

    name: str
    inlet: str
    outlet: str | None = None

    @property
    def listens(self) -> bool:
        """Whether it only gets copies."""
        return self.outlet is None

    @property
    def ports(self) -> tuple[str, ...]:
        """Its logical ports."""
        return (self.inlet,) if self.outlet is None else (self.inlet, self.outlet)


class Chain(Struct, frozen=True):
    """Appliances, in order, that packets pass at a port, or at all ports of a switch.

    `match` describes packets in `direction`; those in the other direction that answer them pass in reverse order.
    Exactly one of `switch` and `port` is set.  Where an appliance does not work, `fail` says whether packets go past
    it or are dropped.  While it is `idle`, nothing is sent into it.
    """

    name: str
    direction: Direction
    match: Match
    fail: Fail
    appliances: tuple[str, ...] = ()
    switch: str | None = None
    port: str | None = None
    idle: bool = False


class Mirror(Struct, frozen=True):
    """Copies of what a port, or all ports of a switch, send (`from-port`) or are delivered (`to-port`).

    They go to the logical port `to`, or to `remote`, an address of the underlay, in `encapsulation` with `key`.
    """

    name: str
    direction: MirrorDirection
    switch: str | None = None
    port: str | None = None
    to: str | None = None
    remote: str | None = None
    encapsulation: str = ""
    key: int = 0


class Network(Struct, frozen=True):
    """A virtual network: the object that is created, snapshotted, rolled back and deleted whole.

    While it is `paused`, its workloads stay plugged in and all that they send is dropped.
    In the directions of `default_deny`, IP packets that no ACL speaks of are dropped.
    `encapsulations` are what it wants to be carried by, best first, for the control plane to understand;
    empty: as the nodes prefer.
    With `dns` its ports have names.  `forwarding` is what it speaks; a network that is `l2` speaks anything, but
    knows no addresses.
    """

    name: str
    switches: tuple[LogicalSwitch, ...] = ()
    routers: tuple[LogicalRouter, ...] = ()
    ports: tuple[LogicalPort, ...] = ()
    acls: tuple[Acl, ...] = ()
    port_groups: tuple[PortGroup, ...] = ()
    address_sets: tuple[AddressSet, ...] = ()
    default_deny: tuple[Direction, ...] = ()
    paused: bool = False
    encapsulations: tuple[str, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    dns: Dns | None = None
    forwarding: Forwarding = "dual"
    appliances: tuple[Appliance, ...] = ()
    chains: tuple[Chain, ...] = ()
    mirrors: tuple[Mirror, ...] = ()


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
