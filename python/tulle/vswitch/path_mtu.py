"""The MTUs of paths to peers, as routers of the underlay report them (RFC 1191, RFC 8201).

The kernel does not learn them from tunnel packets, which come from no socket that it knows.  What it
has learned otherwise is in its routes, and counts too.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable, Iterator

import structlog
from msgspec import Struct

from tulle.vswitch.too_big import PACKET_TOO_BIG, UNREACHABLE, TooBig, parse_v4, parse_v6

VALID_S = 600.0
"""How long a smaller MTU is kept before the path is tried again (RFC 1191 section 6.3, RFC 8201 section 4)."""
LEAST_V4, LEAST_V6 = 576, 1280
"""Nobody makes packets smaller than that, whatever is claimed (RFC 1122 section 3.3.3, RFC 8200 section 5)."""
MOST_PEERS = 1 << 16
MOST_MESSAGES = 64
PAUSE_S = 0.05
"""So many messages are read at once, and then nothing for so long: a flood of them takes little time."""
QUEUE_BYTES = 64 << 10
MESSAGE_BYTES = 2048
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1

_logger = structlog.get_logger(__name__)


class _Learned(Struct, frozen=True):
    mtu: int
    until_s: float


class PathMtus:
    """What has been learned, by peer.

    `is_ours(claim)` says whether a tunnel sends such packets; only then is a claim believed.
    `on_change()` is called when an MTU has become smaller.
    """

    def __init__(
        self,
        is_ours: Callable[[TooBig], bool],
        on_change: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_ours = is_ours
        self._on_change = on_change
        self._clock = clock
        self._learned: dict[str, _Learned] = {}

    def of(self, remote: str, route_mtu: int) -> int:
        """The MTU of the path to a peer, in bytes: the route's, or less while that is known."""
        learned = self._learned.get(remote)
        if learned is None:
            return route_mtu
        if learned.until_s <= self._clock():
            del self._learned[remote]
            _logger.info("path MTU forgotten", remote=remote, mtu=learned.mtu)
            return route_mtu
        return min(route_mtu, learned.mtu)

    def learn(self, claim: TooBig) -> bool:
        """Believe a router, if the packet that it quotes can be ours; whether that has changed anything."""
        if not self._is_ours(claim):
            return False
        mtu = max(claim.mtu, LEAST_V6 if ":" in claim.remote else LEAST_V4)
        if self.of(claim.remote, claim.length) <= mtu:
            return False
        self._make_room()
        self._learned[claim.remote] = _Learned(mtu, self._clock() + VALID_S)
        _logger.info("path MTU learned", remote=claim.remote, mtu=mtu)
        self._on_change()
        return True

    def _make_room(self) -> None:
        """Peers that flows choose come and go: of too many, the one learned first is forgotten."""
        if len(self._learned) >= MOST_PEERS:
            del self._learned[next(iter(self._learned))]

    async def run(self) -> None:
        """Listen for ever."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(one) for one in _sockets()]
            due = asyncio.Event()
            for one in sockets:
                loop.add_reader(one, due.set)
                stack.callback(loop.remove_reader, one)
            while True:
                await due.wait()
                due.clear()
                for one in sockets:
                    self._read(one)
                for one in sockets:
                    loop.remove_reader(one)
                await asyncio.sleep(PAUSE_S)
                for one in sockets:
                    loop.add_reader(one, due.set)

    def _read(self, one: socket.socket) -> None:
        parse = parse_v4 if one.family == socket.AF_INET else parse_v6
        for _ in range(MOST_MESSAGES):
            try:
                message = one.recv(MESSAGE_BYTES)
            except OSError:
                return  # nothing more, or what the kernel has to say about the socket
            claim = parse(message)
            if claim is not None:
                self.learn(claim)


def _sockets() -> Iterator[socket.socket]:
    """A raw socket for each family that the kernel has, which gets the messages of one type only."""
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    v4 = socket.socket(socket.AF_INET, flags, socket.IPPROTO_ICMP)
    v4.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << UNREACHABLE)))
    yield _small(v4)
    try:
        v6 = socket.socket(socket.AF_INET6, flags, socket.IPPROTO_ICMPV6)
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            raise
        return
    blocked = [0xFFFFFFFF & ~(1 << PACKET_TOO_BIG), *[0xFFFFFFFF] * 7]
    v6.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("=8I", *blocked))
    yield _small(v6)


def _small(one: socket.socket) -> socket.socket:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_BYTES)
    return one
