"""DHCPv6 (RFC 8415): the server's side of addresses that are known beforehand, and of DNS (RFC 3646).

As with DHCPv4 nothing is remembered.  Prefixes are not delegated.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address, ip_interface
from struct import pack, unpack_from
from typing import Final, NamedTuple

from msgspec import Struct

from tulle.values import Lease, Told

from .datagram import mac_bytes

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE = range(1, 10)
INFORMATION_REQUEST: Final = 11
CLIENT_ID, SERVER_ID, IA_NA, IA_TA, IA_ADDRESS = 1, 2, 3, 4, 5
STATUS, RAPID_COMMIT, SERVERS, DOMAINS, IA_PD = 13, 14, 23, 24, 25
SUCCESS, NO_ADDRESSES, NOT_ON_LINK, NO_PREFIX = 0, 2, 4, 6
OPTIONS_MAX, ASSOCIATIONS_MAX, DUID_MAX = 64, 4, 130
TO_SERVER: Final = frozenset({REQUEST, RENEW, RELEASE, DECLINE})
"""Messages for one server, which they name; all others name none (RFC 8415 section 16)."""
TO_ANYBODY: Final = frozenset({SOLICIT, CONFIRM, REBIND})
ETHERNET, LINK_LAYER = 1, 3
Options = list[tuple[int, bytes]]


class Association(NamedTuple):
    """An IA_NA: its number, and the addresses that the client names."""

    number: bytes
    addresses: tuple[str, ...]


class Request(NamedTuple):
    """What a client says."""

    kind: int
    transaction: bytes
    options: dict[int, bytes]
    associations: tuple[Association, ...]
    wants_prefixes: tuple[bytes, ...]


class Offer(Struct, frozen=True):
    """What the answers are made of; `mac` is the server's, and names it."""

    mac: str
    lease: Lease
    told: Told

    @property
    def server_id(self) -> bytes:
        """DUID-LL (RFC 8415 section 11.4)."""
        return pack("!HH", LINK_LAYER, ETHERNET) + mac_bytes(self.mac)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IPv6 addresses of the port."""
        found = (ip_interface(one).ip for one in self.lease.addresses)
        return tuple(str(one) for one in found if one.version == 6)


def parse_request(payload: bytes) -> Request | None:
    """A client's message; None for anything else, relayed messages too."""
    if len(payload) < 4:
        return None
    found = _options(payload[4:])
    if found is None:
        return None
    options = dict(found)
    if len(options) < len([code for code, _ in found if code not in (IA_NA, IA_TA, IA_PD)]):
        return None  # Only associations may be there more than once (RFC 8415 section 21).
    associations = [_association(value) for code, value in found if code == IA_NA]
    prefixes = tuple(value[:4] for code, value in found if code == IA_PD and len(value) >= 12)
    if None in associations or len(associations) + len(prefixes) > ASSOCIATIONS_MAX:
        return None
    if any(not 3 <= len(options.get(one, bytes(4))) <= DUID_MAX for one in (CLIENT_ID, SERVER_ID)):
        return None
    known = tuple(one for one in associations if one is not None)
    return Request(payload[0], payload[1:4], options, known, prefixes)


def answer(request: Request, offer: Offer) -> bytes | None:
    """What a server that knows the addresses says; None where it is to be silent."""
    if not _is_for(request, offer):
        return None
    kind, said = _answer(request, offer)
    if said is None:
        return None
    named = [(SERVER_ID, offer.server_id)]
    if CLIENT_ID in request.options:
        named.insert(0, (CLIENT_ID, request.options[CLIENT_ID]))
    return bytes([kind]) + request.transaction + _emit([*named, *said, *_told(offer.told)])


def _is_for(request: Request, offer: Offer) -> bool:
    named = request.options.get(SERVER_ID)
    if request.kind == INFORMATION_REQUEST:
        return named in (None, offer.server_id) and not request.associations
    if CLIENT_ID not in request.options:
        return False
    if request.kind in TO_SERVER:
        return named == offer.server_id
    return request.kind in TO_ANYBODY and named is None


def _answer(request: Request, offer: Offer) -> tuple[int, Options | None]:
    """The kind of the answer and what is in it; None where silence is due."""
    if request.kind == SOLICIT:
        rapid: Options = [(RAPID_COMMIT, b"")] if RAPID_COMMIT in request.options else []
        said = [*rapid, *_granted(request, offer)] if offer.addresses else None
        return REPLY if rapid else ADVERTISE, said
    if request.kind in (REQUEST, RENEW, REBIND):
        return REPLY, [*_granted(request, offer)]
    if request.kind == CONFIRM:
        return REPLY, _confirmed(request, offer)
    if request.kind in (RELEASE, DECLINE):
        return REPLY, [_status(SUCCESS, "nothing to do")]
    return REPLY, []


def _granted(request: Request, offer: Offer) -> Iterator[tuple[int, bytes]]:
    """The first association gets the addresses; there are none for others (RFC 8415 section 18.3.2)."""
    seconds = offer.told.lease_s
    for at, association in enumerate(request.associations):
        inner: Options = []
        if at == 0 and offer.addresses:
            inner += [(IA_ADDRESS, _address(one, seconds)) for one in offer.addresses]
        else:
            inner.append(_status(NO_ADDRESSES, "no address"))
        stale = [one for one in association.addresses if at > 0 or one not in offer.addresses]
        inner += [(IA_ADDRESS, _address(one, 0)) for one in stale if request.kind in (RENEW, REBIND)]
        times = pack("!II", seconds // 2, seconds * 4 // 5)
        yield IA_NA, association.number + times + _emit(inner)
    for number in request.wants_prefixes:
        yield IA_PD, number + bytes(8) + _emit([_status(NO_PREFIX, "no prefix")])


def _confirmed(request: Request, offer: Offer) -> Options | None:
    named = [one for association in request.associations for one in association.addresses]
    if not named:
        return None  # RFC 8415 section 18.3.3
    right = all(one in offer.addresses for one in named)
    return [_status(SUCCESS, "still right") if right else _status(NOT_ON_LINK, "another address now")]


def _told(told: Told) -> Iterator[tuple[int, bytes]]:
    servers = [one.packed for one in map(ip_address, told.dns) if one.version == 6]
    if servers:
        yield SERVERS, b"".join(servers)
    if told.domain:
        yield DOMAINS, domain_name(told.domain)


def domain_name(domain: str) -> bytes:
    """RFC 1035 section 3.1, not compressed."""
    return b"".join(bytes([len(label)]) + label.encode() for label in domain.split(".")) + b"\0"


def _address(address: str, seconds: int) -> bytes:
    return IPv6Address(address).packed + pack("!II", seconds, seconds)


def _status(code: int, text: str) -> tuple[int, bytes]:
    return STATUS, pack("!H", code) + text.encode()


def _association(value: bytes) -> Association | None:
    inner = _options(value[12:]) if len(value) >= 12 else None
    if inner is None or any(code == IA_ADDRESS and len(one) < 24 for code, one in inner):
        return None
    addresses = tuple(str(IPv6Address(one[:16])) for code, one in inner if code == IA_ADDRESS)
    return Association(value[:4], addresses)


def _options(data: bytes) -> Options | None:
    """None if they run over the end, or are too many."""
    found: Options = []
    at = 0
    while at < len(data):
        if at + 4 > len(data) or len(found) == OPTIONS_MAX:
            return None
        code, length = unpack_from("!HH", data, at)
        if at + 4 + length > len(data):
            return None
        found.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + length
    return found


def _emit(options: Options) -> bytes:
    return b"".join(pack("!HH", code, len(value)) + value for code, value in options)
