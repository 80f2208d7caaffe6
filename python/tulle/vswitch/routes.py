"""The kernel's routes, addresses and neighbours, as far as tunnels need them (rtnetlink(7))."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import ip_address

from msgspec import Struct
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tulle.errors import Unavailable

AF_INET, AF_INET6 = 2, 10
ARPHRD_ETHER = 1
IFF_UP = 0x1
RT_SCOPE_UNIVERSE = 0
NTF_USE = 0x01
NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x80
USABLE = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT
RTM_NEWNEIGH, RTM_DELNEIGH = 28, 29
GROUPS = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE (linux/rtnetlink.h)."""
MOST_MTU = 65535


class Route(Struct, frozen=True):
    """How packets to `remote` leave: `hop` is the neighbour that takes them, `mtu` the path's in bytes."""

    remote: str
    device: str
    index: int
    local: str
    hop: str
    mtu: int


class Neighbour(Struct, frozen=True):
    """An entry of the neighbour table; without `mac` where the kernel does not know it."""

    mac: str | None
    is_stale: bool


async def route_to(netlink: AsyncIPRoute, remote: str) -> Route:
    """The kernel's route to an address; raises `Unavailable` if there is none."""
    try:
        found = (await netlink.route("get", dst=remote, family=family(remote)))[0]
        index = found.get("oif")
        link = (await netlink.link("get", index=index))[0]
    except (NetlinkError, IndexError) as error:
        raise Unavailable(f"no route to {remote}") from error
    metrics, via = found.get("metrics"), found.get("via")
    mtu = (metrics.get("mtu") if metrics is not None else None) or link.get("mtu") or 1500
    return Route(
        remote,
        link.get("ifname"),
        index,
        found.get("prefsrc") or "",
        found.get("gateway") or (via or {}).get("addr") or remote,
        min(int(mtu), MOST_MTU),
    )


class Host(Struct, frozen=True):
    """This host's addresses, each with the Ethernet device that has it and is up, or None: the loopback device's."""

    places: tuple[tuple[str, str | None], ...] = ()

    @property
    def addresses(self) -> list[str]:
        """The addresses."""
        return [address for address, _ in self.places]

    def devices(self, address: str | None = None) -> set[str]:
        """The devices by which packets to this address come in: by any where it is no device's, or none is given."""
        own = {device for mine, device in self.places if mine == address}
        found = own if own and None not in own else {device for _, device in self.places}
        return {device for device in found if device is not None}


async def this_host(netlink: AsyncIPRoute) -> Host:
    """Addresses that others can reach; those of a link only are none."""
    links = {
        link["index"]: link.get("ifname")
        async for link in await netlink.get_links()
        if link["ifi_type"] == ARPHRD_ETHER and link["flags"] & IFF_UP
    }
    places = [
        (entry.get("local") or entry.get("address"), links.get(entry["index"]))
        async for entry in await netlink.get_addr()
        if entry["scope"] == RT_SCOPE_UNIVERSE
    ]
    return Host(tuple(sorted(set(places), key=str)))


async def neighbours(netlink: AsyncIPRoute) -> dict[tuple[int, str], Neighbour]:
    """The neighbour table of both families, by device and address."""
    table = {}
    for one in (AF_INET, AF_INET6):
        async for entry in await netlink.get_neighbours(family=one):
            usable, stale = entry["state"] & USABLE, bool(entry["state"] & NUD_STALE)
            mac = entry.get("lladdr") if usable else None
            table[entry["ifindex"], entry.get("dst")] = Neighbour(mac, stale)
    return table


async def resolve(netlink: AsyncIPRoute, index: int, hop: str) -> None:
    """Have the kernel look for a neighbour, or see whether it is still there; raises `NetlinkError`."""
    await netlink.neigh("replace", dst=hop, family=family(hop), ifindex=index, flags=NTF_USE, state=0)


def family(address: str) -> int:
    """The address family, as the kernel numbers it."""
    return AF_INET if ip_address(address).version == 4 else AF_INET6


@contextlib.contextmanager
def watched(on_neighbours: Callable[[], None], on_routes: Callable[[], None]) -> Iterator[None]:
    """Call one of the two whenever the kernel says that neighbours, or links, addresses and routes have changed.

    What is lost because there was too much of it counts as a change of routes.
    """
    loop = asyncio.get_running_loop()
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, flags, socket.NETLINK_ROUTE) as sock:
        sock.bind((0, GROUPS))
        loop.add_reader(sock, lambda: [on_neighbours, on_routes][_drain(sock)]())
        try:
            yield
        finally:
            loop.remove_reader(sock)


def _drain(sock: socket.socket) -> bool:
    """Read what there is; whether any of it was about something else than neighbours."""
    is_route = False
    while True:
        try:
            message = sock.recv(1 << 16)
        except BlockingIOError:
            return is_route
        except OSError:
            is_route = True
            continue
        kind = struct.unpack_from("=IH", message)[1] if len(message) >= 6 else 0
        is_route = is_route or kind not in (RTM_NEWNEIGH, RTM_DELNEIGH)
