"""Translation of addresses and balancing of load: the words for both.

Addresses are canonical text.  What translates remembers connections in a zone of the port that is at their
other end, at that port's node, so nothing here names a node.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

NatKind = Literal["snat", "dnat", "dnat-and-snat"]
Affinity = Literal["connection", "source"]
Transport = Literal["tcp", "udp"]


class Nat(Struct, frozen=True):
    """A rule of a router: `logical` is known as `external` to all that is beyond the router's port there.

    `external` is on a subnet of one port of the router: beyond that port is outside.  For `snat`, `logical` is an
    address or a prefix whose connections to the outside come from `external`; for `dnat` it is the address of
    a port that gets what is sent to `external`; `dnat-and-snat` is both, one to one.
    """

    name: str
    kind: NatKind
    external: str
    logical: str


class Backend(Struct, frozen=True, omit_defaults=True):
    """Who serves: a logical port of the network, or an address; exactly one is set.

    `dport` is the transport port there; None is that of the load balancer.
    """

    port: str | None = None
    address: str | None = None
    dport: int | None = None


class LoadBalancer(Struct, frozen=True, omit_defaults=True):
    """Connections to `vips` at transport port `dport`, shared among backends of the address's family.

    Exactly one of `switch` (for the ports on it) and `router` (for all that comes to it) is set.  By `source`, a
    client always gets the same backend.  For `affinity_s` seconds after its last connection began, a client goes to
    the backend that it had, however it was chosen and whatever others come or go; 0: no longer.
    Every `check_s` seconds backends are asked whether they serve; 0: never.
    """

    name: str
    protocol: Transport
    vips: tuple[str, ...]
    dport: int
    backends: tuple[Backend, ...] = ()
    switch: str | None = None
    router: str | None = None
    affinity: Affinity = "connection"
    check_s: int = 0
    affinity_s: int = 0


class BackendState(Struct, frozen=True):
    """What a health check found of an address that serves a load balancer of a network."""

    network: str
    balancer: str
    address: str
    up: bool


PROBE_PORT_FIRST: Final = 0xF000
PROBE_PORT_MASK: Final = 0xFF00
"""The port numbers from which health checks ask: above those that hosts choose from by themselves."""


class Probe(Struct, frozen=True):
    """A backend that is to be asked, in the name of `vip`, whether it serves.

    `port` is its logical port, `datapath` and `key` the numbers of that; it is asked every `every_s` seconds.
    """

    network: str
    balancer: str
    address: str
    port: str
    protocol: Transport
    dport: int
    vip: str
    vip_mac: str
    port_mac: str
    datapath: int
    key: int
    every_s: int
