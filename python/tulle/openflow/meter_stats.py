"""What the meters of a switch have dropped, asked over a connection of its own: the native session has no such words.

OpenFlow 1.3.5 section 7.3.5.12.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from struct import Struct, pack
from typing import Final

import msgspec

from tulle.errors import ProtocolError, Unavailable

VERSION: Final = 4
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, MULTIPART_REQUEST, MULTIPART_REPLY = 0, 1, 2, 3, 18, 19
METER_STATS, MORE = 9, 1
ALL_METERS: Final = 0xFFFF_FFFF
ANSWER_S: Final = 10.0
_HEADER: Final = Struct("!BBHI")
_METER: Final = Struct("!IH6xIQQII")
_BAND: Final = Struct("!QQ")


class Metered(msgspec.Struct, frozen=True):
    """What a meter has dropped, and for how long it has existed."""

    packets: int
    bytes: int
    duration_s: float


async def metered(target: str) -> dict[int, Metered]:
    """By the number of the meter; `target` is `unix:PATH`, Unavailable where nobody answers there."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(target.removeprefix("unix:"))
            try:
                return await _asked(reader, writer)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Unavailable(f"no answer about meters from {target}: {error}") from None


def parse_meters(body: bytes) -> Iterator[tuple[int, Metered]]:
    """The meters of one reply; ProtocolError where it is cut short."""
    at = 0
    while at < len(body):
        if at + _METER.size > len(body):
            raise ProtocolError("the statistics of a meter were expected, fewer bytes came")
        number, length, _, _, _, seconds, nanoseconds = _METER.unpack_from(body, at)
        if length < _METER.size or at + length > len(body) or (length - _METER.size) % _BAND.size:
            raise ProtocolError(f"the statistics of meter {number} have a length of {length} bytes")
        bands = list(_BAND.iter_unpack(body[at + _METER.size : at + length]))
        packets, size = (sum(band[one] for band in bands) for one in range(2))
        yield number, Metered(packets, size, seconds + nanoseconds / 1e9)
        at += length


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[int, Metered]:
    writer.write(_message(HELLO, b""))
    writer.write(_message(MULTIPART_REQUEST, pack("!HHxxxxIxxxx", METER_STATS, 0, ALL_METERS)))
    found: dict[int, Metered] = {}
    while True:
        _, kind, length, _ = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        body = await reader.readexactly(max(0, length - _HEADER.size))
        if kind == ECHO_REQUEST:
            writer.write(_message(ECHO_REPLY, body))
        elif kind == ERROR:
            raise ProtocolError("the switch refused to tell of its meters")
        elif kind == MULTIPART_REPLY and int.from_bytes(body[:2], "big") == METER_STATS:
            found |= dict(parse_meters(body[8:]))
            if not int.from_bytes(body[2:4], "big") & MORE:
                return found


def _message(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(VERSION, kind, _HEADER.size + len(body), 1) + body
