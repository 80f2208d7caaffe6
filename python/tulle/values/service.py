"""What the services of networks tell, in numbers and names, for whoever answers in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from .routes import StaticRoute

SERVICES: Final = ("DHCP", "DHCPv6", "router advertisement", "DNS")
"""What workloads may ask; a flow hands it up as `DHCP of NETWORK/SWITCH`."""


class Lease(Struct, frozen=True):
    """What one port is told; `addresses` carry their prefix, `gateway` is of IPv4 and may be empty."""

    port: str
    mac: str
    addresses: tuple[str, ...] = ()
    gateway: str = ""


class Advertiser(Struct, frozen=True):
    """A router port that advertises `prefixes`; `key` is its own on the switch.

    Workloads make their addresses themselves, or ask DHCPv6 for them where it is `managed`.
    """

    name: str
    key: int
    mac: str
    prefixes: tuple[str, ...]
    managed: bool


class Told(Struct, frozen=True):
    """What everybody on a switch is told besides addresses."""

    lease_s: int = 0
    dns: tuple[str, ...] = ()
    domain: str = ""
    routes: tuple[StaticRoute, ...] = ()


class ServedSwitch(Struct, frozen=True):
    """A switch with services, which speak as `mac` and `addresses`; `leases` are by port key."""

    name: str
    datapath: int
    mac: str
    addresses: tuple[str, ...]
    has_dhcp: bool
    told: Told
    leases: Mapping[int, Lease]
    advertisers: tuple[Advertiser, ...]


class DnsZone(Struct, frozen=True):
    """The names of a network's ports within `domain`, and the subnets that it knows all about."""

    domain: str
    names: Mapping[str, tuple[str, ...]]
    subnets: tuple[str, ...]


class NetworkServices(Struct, frozen=True):
    """All services of one network."""

    network: str
    switches: tuple[ServedSwitch, ...]
    zone: DnsZone | None = None
