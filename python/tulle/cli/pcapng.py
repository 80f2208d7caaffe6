"""Writes frames as pcapng (draft-ietf-opsawg-pcapng): an interface for each place, a comment for each frame."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO, Final

from msgspec import Struct

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
ETHERNET: Final = 1
END, COMMENT, NAME, RESOLUTION, FLAGS = 0, 1, 2, 9, 2
NANOSECONDS: Final = b"\x09"
INBOUND, OUTBOUND = 1, 2


class Frame(Struct, frozen=True, order=True):
    """A frame seen at a place; `out` as the workload or the node sees it, `at_ns` since 1970."""

    at_ns: int
    place: int
    out: bool
    data: bytes
    note: str = ""


def write(file: BinaryIO, places: Iterable[str], frames: Iterable[Frame]) -> None:
    """One section with everything; `places` are names, frames refer to them by number."""
    _block(file, SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((3, b"tulle capture")))
    for name in places:
        body = struct.pack("<HHI", ETHERNET, 0, 0)
        _block(file, INTERFACE, body + _options((NAME, name.encode()), (RESOLUTION, NANOSECONDS)))
    for one in frames:
        head = struct.pack(
            "<IIIII", one.place, one.at_ns >> 32, one.at_ns & 0xFFFFFFFF, len(one.data), len(one.data)
        )
        flags = struct.pack("<I", OUTBOUND if one.out else INBOUND)
        comment = [(COMMENT, one.note.encode())] if one.note else []
        _block(file, PACKET, head + _padded(one.data) + _options(*comment, (FLAGS, flags)))


def _options(*options: tuple[int, bytes]) -> bytes:
    made = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return made + struct.pack("<HH", END, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _block(file: BinaryIO, kind: int, body: bytes) -> None:
    length = struct.pack("<I", len(body) + 12)
    file.write(struct.pack("<I", kind) + length + body + length)
