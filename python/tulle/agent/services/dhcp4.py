"""DHCPv4 (RFC 2131, options of RFC 2132 and RFC 3442): the server's side of a lease that is known beforehand.

Nothing is remembered: what a port leases is in the network, so every node gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_interface
from struct import pack, unpack_from
from typing import Final, NamedTuple

from msgspec import Struct

from tulle.values import Lease, StaticRoute, Told

BOOT_REQUEST, BOOT_REPLY, ETHERNET = 1, 2, 1
FIXED_BYTES: Final = 236
COOKIE: Final = b"\x63\x82\x53\x63"
SMALLEST_BYTES: Final = 300
"""What a client may expect at least (RFC 1542 section 2.1)."""
OPTIONS_MAX: Final = 128
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
MASK, ROUTER, SERVERS, HOSTNAME, DOMAIN, MTU = 1, 3, 6, 12, 15, 26
REQUESTED, LEASE, OVERLOAD, KIND, SERVER, T1, T2, ROUTES = 50, 51, 52, 53, 54, 58, 59, 121
PAD, END = 0, 255
UNSPECIFIED: Final = "0.0.0.0"
BROADCAST: Final = "255.255.255.255"


class Request(NamedTuple):
    """What a client says; `head` are the first 236 bytes, `options` by their codes."""

    kind: int
    mac: str
    client: str
    head: bytes
    options: dict[int, bytes]


class Offer(Struct, frozen=True):
    """What the answers are made of; `server` is the address that they come from, `mtu` is in bytes."""

    server: str
    lease: Lease
    told: Told
    mtu: int


class Reply(NamedTuple):
    """Bytes for the client's port 68 at `target`."""

    target: str
    payload: bytes


def parse_request(payload: bytes) -> Request | None:
    """A client's message; None for anything else.  What came by a relay (RFC 3046) is not for us."""
    if len(payload) < FIXED_BYTES + len(COOKIE) or payload[FIXED_BYTES : FIXED_BYTES + 4] != COOKIE:
        return None
    if (payload[0], payload[1], payload[2]) != (BOOT_REQUEST, ETHERNET, 6) or any(payload[24:28]):
        return None
    options = _options(payload[FIXED_BYTES + 4 :])
    if options is None or len(options.get(KIND, b"")) != 1 or OVERLOAD in options:
        return None
    if any(len(options.get(one, bytes(4))) != 4 for one in (REQUESTED, SERVER)):
        return None
    client = str(IPv4Address(payload[12:16]))
    return Request(options[KIND][0], payload[28:34].hex(":"), client, payload[:FIXED_BYTES], options)


def answer(request: Request, offer: Offer) -> Reply | None:
    """What a server that knows the lease says; None where it is to be silent."""
    own = next((one for one in map(ip_interface, offer.lease.addresses) if one.version == 4), None)
    if own is None or request.mac != offer.lease.mac or not offer.server:
        return None
    if _said(request, SERVER) not in ("", offer.server):
        return None  # The client has chosen another server (RFC 2131 section 3.1).
    address = str(own.ip)
    if request.kind == DISCOVER:
        return _reply(request, offer, OFFER, address)
    if request.kind == REQUEST:
        asked = _said(request, REQUESTED) or request.client
        return _reply(request, offer, ACK if asked == address else NAK, address)
    if request.kind == INFORM and request.client == address:
        return _reply(request, offer, ACK, UNSPECIFIED)
    return None


def _reply(request: Request, offer: Offer, kind: int, yours: str) -> Reply:
    refused = kind == NAK
    head = request.head
    flags = unpack_from("!H", head, 10)[0] & 0x8000
    said = pack("!BBBBIHH", BOOT_REPLY, ETHERNET, 6, 0, unpack_from("!I", head, 4)[0], 0, flags)
    said += bytes(4) if refused else head[12:16]
    said += bytes(4) if refused else ip_address(yours).packed
    said += bytes(8) + head[28:44] + bytes(192) + COOKIE
    said += _option(KIND, bytes([kind])) + _option(SERVER, ip_address(offer.server).packed)
    if not refused:
        said += b"".join(_option(code, value) for code, value in _told(offer, leased=yours != UNSPECIFIED))
    said += bytes([END])
    return Reply(_target(request, flags, kind, yours), said.ljust(SMALLEST_BYTES, b"\0"))


def _target(request: Request, flags: int, kind: int, yours: str) -> str:
    """RFC 2131 section 4.1; a client that cannot hear its new address yet asks for broadcasts."""
    if kind == NAK:
        return BROADCAST
    if request.client != UNSPECIFIED:
        return request.client
    return BROADCAST if flags else yours


def _told(offer: Offer, *, leased: bool) -> Iterator[tuple[int, bytes]]:
    lease, told = offer.lease, offer.told
    own = next(one for one in map(ip_interface, lease.addresses) if one.version == 4)
    if leased:
        seconds = told.lease_s
        yield from (
            (LEASE, pack("!I", seconds)),
            (T1, pack("!I", seconds // 2)),
            (T2, pack("!I", seconds * 7 // 8)),
        )
    yield MASK, own.network.netmask.packed
    if lease.gateway:
        yield ROUTER, ip_address(lease.gateway).packed
    servers = [one.packed for one in map(ip_address, told.dns) if one.version == 4]
    if servers:
        yield SERVERS, b"".join(servers)
    yield HOSTNAME, lease.port.encode()
    if told.domain:
        yield DOMAIN, told.domain.encode()
    yield MTU, pack("!H", offer.mtu)
    if told.routes:
        yield ROUTES, _routes(lease.gateway, told.routes)


def _routes(gateway: str, routes: tuple[StaticRoute, ...]) -> bytes:
    """RFC 3442; a client that takes these does without the router option, so the router is here too."""
    usual = (StaticRoute("0.0.0.0/0", gateway),) if gateway else ()
    said = b""
    for route in (*routes, *usual):
        network = IPv4Network(route.prefix)
        significant = network.network_address.packed[: (network.prefixlen + 7) // 8]
        said += bytes([network.prefixlen]) + significant + IPv4Address(route.next_hop).packed
    return said


def _options(data: bytes) -> dict[int, bytes] | None:
    """By code; what is there twice is one option in two parts (RFC 3396).  None if they run over the end."""
    found: dict[int, bytes] = {}
    at = 0
    for _ in range(OPTIONS_MAX):
        while at < len(data) and data[at] == PAD:
            at += 1
        if at >= len(data):
            return None
        if data[at] == END:
            return found
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return None
        code, value = data[at], data[at + 2 : at + 2 + data[at + 1]]
        found[code] = found.get(code, b"") + value
        at += 2 + len(value)
    return None


def _option(code: int, value: bytes) -> bytes:
    """One option, in as many parts as it needs (RFC 3396 section 5)."""
    parts = [value[at : at + 255] for at in range(0, len(value), 255)]
    return b"".join(bytes([code, len(part)]) + part for part in parts)


def _said(request: Request, code: int) -> str:
    value = request.options.get(code)
    return "" if value is None else str(IPv4Address(value))
