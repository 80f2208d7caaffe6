"""Whether the underlay carries packets of full length to other nodes, tried by `ping`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

PATIENCE_S: Final = 2
HEADERS: Final = {4: 28, 6: 48}
"""IP and ICMP, in bytes."""


async def paths(addresses: Iterable[str], mtu: int) -> dict[str, str]:
    """By address: "" where a packet of `mtu` bytes arrives, else what comes back instead."""
    found = list(addresses)
    said = await asyncio.gather(*(_tried(one, mtu) for one in found))
    return dict(zip(found, said, strict=True))


async def _tried(address: str, mtu: int) -> str:
    if await _pinged(address, mtu):
        return ""
    if await _pinged(address, None):
        return f"a packet of {mtu} bytes does not arrive, a short one does"
    return "does not answer a ping"


async def _pinged(address: str, mtu: int | None) -> bool:
    size = 56 if mtu is None else mtu - HEADERS[6 if ":" in address else 4]
    words = [
        "ping",
        "-n",
        "-c",
        "2",
        "-i",
        "0.2",
        "-W",
        str(PATIENCE_S),
        "-M",
        "do",
        "-s",
        str(size),
        address,
    ]
    quiet = asyncio.subprocess.DEVNULL
    try:
        child = await asyncio.create_subprocess_exec(*words, stdin=quiet, stdout=quiet, stderr=quiet)
    except OSError:
        return False
    try:
        async with asyncio.timeout(PATIENCE_S + 3):
            return await child.wait() == 0
    except TimeoutError:
        return False
    finally:
        with suppress(ProcessLookupError):
            child.kill()
