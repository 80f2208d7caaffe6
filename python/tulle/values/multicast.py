"""Multicast on a logical switch: who is told what workloads say of groups (IGMP, RFC 3376; MLD, RFC 3810)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

ROUTER_GROUP: Final = "*"
"""The group of a port behind which a multicast router is, which wants all groups."""


class Multicast(Struct, frozen=True):
    """How a switch snoops (RFC 4541).

    With `flood_unregistered` what is sent to a group without members goes to everybody, otherwise to multicast routers
    alone.  A `querier` asks every `query_s` for members, as nobody else may; a membership ends when nothing was heard
    of it for `idle_s`.
    """

    flood_unregistered: bool = False
    querier: bool = True
    query_s: int = 125
    idle_s: int = 260


class Membership(Struct, frozen=True, order=True):
    """A logical port has joined a group, an address as text, or `ROUTER_GROUP`."""

    network: str
    switch: str
    group: str
    port: str
