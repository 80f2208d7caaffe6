"""The ways to tunnel peers through the kernel's tables: route, device, and the next hop's MAC address.

The kernel resolves neighbours (it is asked to with NTF_USE, rtnetlink(7)); this file only reads and follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tulle.errors import Unavailable
from tulle.vswitch.routes import Host, Route, neighbours, resolve, route_to, this_host, watched

UNRESOLVED_POLL_S = 0.1
RESOLVED_POLL_S = 2.0
RESOLVE_AGAIN_S = 1.0
"""The kernel asks three times within three seconds by itself (neigh/default/mcast_solicit)."""
LEAST_GAP_S = 0.05
"""Between two polls, since every frame for an unresolved peer hurries."""
FIRST_POLLS = 30
ROUTES_POLL_S = 30.0
"""Routes are looked at again when the kernel tells of a change, and this often to be sure."""
MOST_ASKED = 4096
"""Peers that flows have chosen; the one asked for first makes place for another."""
REFUSED_S = 3.0
"""How long a peer without a route is not looked for again."""

_logger = structlog.get_logger(__name__)


class Way(Struct, frozen=True):
    """How packets to a peer leave: by `device`, from `local`, to the neighbour with `mac`; `mtu` in bytes."""

    device: str
    local: str
    mac: str
    mtu: int


class Ways:
    """Follows the ways to peers.

    `on_way(remote, way or None)` is called for each change, `on_routes()` before that when devices or this host's
    addresses may be other ones.  `path_mtu(remote, mtu)` says what is left of a route's MTU.
    """

    def __init__(
        self,
        netlink: AsyncIPRoute,
        on_way: Callable[[str, Way | None], None],
        on_routes: Callable[[], Awaitable[None]],
        path_mtu: Callable[[str, int], int] = lambda _, mtu: mtu,
    ) -> None:
        self.routes: dict[str, Route] = {}
        self.host = Host()
        self._netlink = netlink
        self._on_way = on_way
        self._on_routes = on_routes
        self._path_mtu = path_mtu
        self._followed: set[str] = set()
        self._asked: dict[str, None] = {}
        self._refused: dict[str, float] = {}
        self._ways: dict[str, Way | None] = {}
        self._resolving: dict[tuple[int, str], float] = {}
        self._wake = asyncio.Event()
        self._polls = 0
        self._looked_s = 0.0
        self.changes = 0
        """Rises whenever the kernel tells of a change of devices, addresses or routes."""

    async def follow(self, remote: str) -> None:
        """Resolve the way to this peer from now on; raises `Unavailable` if there is no route."""
        route = await route_to(self._netlink, remote)
        await self.look_at_host()
        if not route.local:
            raise Unavailable(f"no source address towards {remote}")
        self._followed.add(remote)
        self.routes[remote] = route
        self.hurry()

    async def look_at_host(self) -> None:
        """Learn this host's addresses and devices, and tell of them where they are other ones."""
        before, self.host = self.host, await this_host(self._netlink)
        if before != self.host:
            await self._on_routes()

    def forget(self, remote: str) -> None:
        """Stop following, unless flows want it."""
        self._followed.discard(remote)
        if remote not in self._asked:
            self._drop(remote)

    def ask(self, remote: str) -> None:
        """A packet waits for this peer: look for its way, or sooner again."""
        if remote in self._refused and time.monotonic() < self._refused[remote]:
            return
        if remote not in self._followed and remote not in self._asked:
            while len(self._asked) >= MOST_ASKED:
                self._drop_asked(next(iter(self._asked)))
            self._asked[remote] = None
        self.hurry()

    def has_route(self, remote: str) -> bool:
        """Whether there is a route."""
        return remote in self.routes

    def asked_devices(self) -> set[str]:
        """The devices towards peers that flows have chosen."""
        return {self.routes[remote].device for remote in self._asked if remote in self.routes}

    def known(self) -> Iterable[tuple[str, Way | None]]:
        """All ways as they are, for a switch that is new."""
        return list(self._ways.items())

    def hurry(self) -> None:
        """Look soon rather than at the next poll."""
        self._polls = 0
        self._wake.set()

    async def run(self) -> None:
        """Poll for ever: often while something is newly unresolved, else every few seconds."""
        with watched(self._wake.set, self._routes_changed):
            while True:
                self._wake.clear()
                try:
                    await self._poll()
                except (NetlinkError, OSError) as error:
                    _logger.warning("neighbours not read", error=str(error))
                pending = any(self._ways.get(remote) is None for remote in self.routes)
                self._polls = self._polls + 1 if pending else 0
                eager = pending and self._polls < FIRST_POLLS
                await asyncio.sleep(LEAST_GAP_S)
                # Not `wait_for`: Python 3.11's loses a cancellation that comes together with the wake.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(UNRESOLVED_POLL_S if eager else RESOLVED_POLL_S):
                        await self._wake.wait()

    def _routes_changed(self) -> None:
        self._looked_s = 0.0
        self.changes += 1
        self._refused.clear()
        self.hurry()

    async def _poll(self) -> None:
        if not self._followed and not self._asked:
            return
        await self._look_at_routes()
        table = await neighbours(self._netlink)
        unresolved = set()
        for remote, route in list(self.routes.items()):
            entry = table.get((route.index, route.hop))
            mac = entry.mac if entry is not None else None
            mtu = self._path_mtu(remote, route.mtu)
            self._set(remote, Way(route.device, route.local, mac, mtu) if mac is not None else None)
            if mac is None or (entry is not None and entry.is_stale):
                unresolved.add((route.index, route.hop))
        await self._resolve(unresolved)

    async def _resolve(self, hops: set[tuple[int, str]]) -> None:
        """Have the kernel look for neighbours.  That it does is a change again, hence not at every poll."""
        now = time.monotonic()
        self._resolving = {hop: then for hop, then in self._resolving.items() if hop in hops}
        for index, hop in hops:
            if now - self._resolving.get((index, hop), -RESOLVE_AGAIN_S) < RESOLVE_AGAIN_S:
                continue
            self._resolving[index, hop] = now
            try:
                await resolve(self._netlink, index, hop)
            except NetlinkError as error:
                _logger.debug("kernel did not resolve", hop=hop, error=str(error))

    async def _look_at_routes(self) -> None:
        """Look for all routes where they may have changed, else for those of new peers."""
        is_due = time.monotonic() - self._looked_s >= ROUTES_POLL_S
        wanted = self._followed | self._asked.keys()
        before, host = dict(self.routes), self.host
        if is_due:
            self._looked_s = time.monotonic()
            self.host = await this_host(self._netlink)
        for remote in wanted if is_due else wanted - self.routes.keys():
            await self._look_at_route(remote)
        if before != self.routes or host != self.host:
            await self._on_routes()

    async def _look_at_route(self, remote: str) -> None:
        try:
            route = await route_to(self._netlink, remote)
        except Unavailable:
            self._drop_asked(remote)
            self._drop(remote)
            return
        if remote in self._followed or remote in self._asked:
            self.routes[remote] = route

    def _drop_asked(self, remote: str) -> None:
        if remote in self._asked:
            del self._asked[remote]
            if len(self._refused) >= MOST_ASKED:
                self._refused.clear()
            self._refused[remote] = time.monotonic() + REFUSED_S
            if remote not in self._followed:
                self._drop(remote)

    def _drop(self, remote: str) -> None:
        self.routes.pop(remote, None)
        if self._ways.pop(remote, None) is not None:
            self._on_way(remote, None)

    def _set(self, remote: str, way: Way | None) -> None:
        if remote in self.routes and (remote not in self._ways or self._ways[remote] != way):
            self._ways[remote] = way
            self._on_way(remote, way)
