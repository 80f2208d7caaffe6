"""Meters that bound how many packets of an ACL reach the agent, and what ports send and get (OpenFlow 1.3.5
section 7.3.4.5).

The native session has no such message, so these few bytes are made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import Final

from tulle.values import Limit

VERSION, METER_MOD = 4, 29
ADD, MODIFY, DELETE = 0, 1, 2
KBITS, PACKETS, BURST, STATS = (1 << bit for bit in range(4))
DROP_BAND, BAND_BYTES = 1, 16
FIRST_XID: Final = 0x7E00_0000
"""Far from those that the native session gives: what the switch answers to these concerns nobody."""


def emit_meters(current: Mapping[int, int | Limit], desired: Mapping[int, int | Limit]) -> bytes:
    """Messages after which the switch has the desired meters (number: packets a second, or a limit).

    A new one is first modified and then added, one of which the switch refuses: an earlier agent may have
    left it behind.
    """
    made = []
    for number, rate in desired.items():
        if current.get(number) != rate:
            made += [_message(MODIFY, number, rate), _message(ADD, number, rate)]
    return b"".join(made)


def emit_meter_deletions(numbers: list[int]) -> bytes:
    """Messages that delete meters, which no flow may use any more."""
    return b"".join(_message(DELETE, number, None) for number in numbers)


def _message(command: int, number: int, rate: int | Limit | None) -> bytes:
    flags, band = PACKETS | BURST, b""
    if isinstance(rate, Limit):
        flags = KBITS | BURST | STATS
        band = pack("!HHII4x", DROP_BAND, BAND_BYTES, rate.rate_kbps, rate.burst_kbit)
    elif rate is not None:
        band = pack("!HHII4x", DROP_BAND, BAND_BYTES, rate, max(1, rate))
    body = pack("!HHI", command, flags, number) + band
    return pack("!BBHI", VERSION, METER_MOD, 8 + len(body), FIRST_XID) + body
