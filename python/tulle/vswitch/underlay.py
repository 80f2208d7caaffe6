"""The way to tunnel peers through the kernel's tables: route, device, and the next hop's MAC address.

The kernel resolves neighbours (it is asked to with NTF_USE, rtnetlink(7)); this file only reads and follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tulle.errors import Unavailable

NTF_USE = 0x01
NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x80
USABLE = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT
UNRESOLVED_POLL_S = 0.1
RESOLVED_POLL_S = 2.0
LEAST_GAP_S = 0.05
"""Between two polls, since every frame for an unresolved peer hurries."""
FIRST_POLLS = 30
AF_INET = 2

_logger = structlog.get_logger(__name__)


class Route(Struct, frozen=True):
    """How packets to `remote` leave: `hop` is the neighbour that takes them, `mtu` the device's in bytes."""

    remote: str
    device: str
    index: int
    local: str
    hop: str
    mtu: int


async def route_to(netlink: AsyncIPRoute, remote: str) -> Route:
    """The kernel's route to an address; raises `Unavailable` if there is none."""
    try:
        found = (await netlink.route("get", dst=remote))[0]
        index = found.get("oif")
        link = (await netlink.link("get", index=index))[0]
    except (NetlinkError, IndexError) as error:
        raise Unavailable(f"no route to {remote}") from error
    return Route(
        remote,
        link.get("ifname"),
        index,
        found.get("prefsrc") or "",
        found.get("gateway") or remote,
        int(link.get("mtu") or 1500),
    )


class NextHops:
    """Follows the MAC addresses of next hops; `on_change(remote, mac or None)` is called for each change."""

    def __init__(self, netlink: AsyncIPRoute, on_change: Callable[[str, str | None], None]) -> None:
        self._netlink = netlink
        self._on_change = on_change
        self._routes: dict[str, Route] = {}
        self._macs: dict[str, str | None] = {}
        self._wake = asyncio.Event()
        self._polls = 0

    def follow(self, route: Route) -> None:
        """Resolve this route's next hop from now on; an earlier route to the same remote is forgotten."""
        if self._routes.get(route.remote) != route:
            self._routes[route.remote] = route
            self._macs.pop(route.remote, None)
        self.hurry()

    def route(self, remote: str) -> Route | None:
        """The route that is followed to this remote."""
        return self._routes.get(remote)

    def forget(self, remote: str) -> None:
        """Stop following."""
        self._routes.pop(remote, None)
        self._macs.pop(remote, None)

    def announce_again(self) -> None:
        """Call `on_change` for everything known, for a switch that is new."""
        for remote, mac in self._macs.items():
            self._on_change(remote, mac)

    def hurry(self) -> None:
        """Look soon rather than at the next poll."""
        self._polls = 0
        self._wake.set()

    async def run(self) -> None:
        """Poll for ever: often while something is newly unresolved, else every few seconds."""
        while True:
            self._wake.clear()
            try:
                await self._poll()
            except (NetlinkError, OSError) as error:
                _logger.warning("neighbours not read", error=str(error))
            pending = any(self._macs.get(remote) is None for remote in self._routes)
            self._polls = self._polls + 1 if pending else 0
            eager = pending and self._polls < FIRST_POLLS
            await asyncio.sleep(LEAST_GAP_S)
            # Not `wait_for`: Python 3.11's loses a cancellation that comes together with the wake.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(UNRESOLVED_POLL_S if eager else RESOLVED_POLL_S):
                    await self._wake.wait()

    async def _poll(self) -> None:
        if not self._routes:
            return
        table: dict[tuple[int, str], Any] = {}
        async for entry in await self._netlink.get_neighbours(family=AF_INET):
            table[entry["ifindex"], entry.get("dst")] = entry
        for route in list(self._routes.values()):
            entry = table.get((route.index, route.hop))
            usable = entry is not None and entry["state"] & USABLE
            self._set(route.remote, entry.get("lladdr") if entry is not None and usable else None)
            if not usable or (entry is not None and entry["state"] & NUD_STALE):
                await self._ask(route)

    async def _ask(self, route: Route) -> None:
        try:
            await self._netlink.neigh("replace", dst=route.hop, ifindex=route.index, flags=NTF_USE, state=0)
        except NetlinkError as error:
            _logger.debug("kernel did not resolve", remote=route.remote, error=str(error))

    def _set(self, remote: str, mac: str | None) -> None:
        if remote in self._routes and (remote not in self._macs or self._macs[remote] != mac):
            self._macs[remote] = mac
            self._on_change(remote, mac)
