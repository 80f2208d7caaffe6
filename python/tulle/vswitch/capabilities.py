"""What this kernel and the devices of the underlay can do for tunnels, for whoever asks the database.

The kernel is tried once; a device is looked at when it comes to carry tunnels, and again when the kernel tells of a
change.  The root row has it as JSON in `external_ids:tulle-capabilities`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import orjson

from tulle._native import NativeError, device_features, probe_kernel

KEY: Final = "tulle-capabilities"
FEATURES: Final = {
    "tcp-segmentation": "tx-tcp-segmentation",
    "udp-segmentation": "tx-udp-segmentation",
    "udp-tunnel-segmentation": "tx-udp_tnl-segmentation",
    "gre-segmentation": "tx-gre-segmentation",
    "receive-merging": "rx-gro",
}
"""What is told of a device, and the kernel's name for it (`ethtool -k`)."""
QUEUES: Final = "queues"


def of_kernel() -> dict[str, str]:
    """By name, "yes" or "no"; takes some milliseconds."""
    return {name: _word(can) for name, can in probe_kernel()}


def of_device(device: str) -> dict[str, str]:
    """By `DEVICE/NAME`: "yes" or "no", and the number of queues; nothing of a device that is gone."""
    try:
        found, queues = device_features(device, list(FEATURES.values()))
    except NativeError:
        return {}
    out = {f"{device}/{name}": _word(can) for name, can in zip(FEATURES, found, strict=True)}
    return out if queues is None else {**out, f"{device}/{QUEUES}": str(queues)}


class Capabilities:
    """Knows what has been found; `changes()` is a number that rises whenever the kernel tells of a change."""

    def __init__(self, changes: Callable[[], int]) -> None:
        self._changes = changes
        self._kernel: dict[str, str] | None = None
        self._seen: tuple[frozenset[str], int] | None = None
        self.text = ""

    async def follow(self, devices: Collection[str]) -> str:
        """The JSON text for these devices of the underlay."""
        if self._kernel is None:
            self._kernel = await asyncio.to_thread(of_kernel)
        seen = frozenset(devices), self._changes()
        if seen != self._seen:
            self._seen = seen
            found = dict(self._kernel)
            for device in devices:
                found |= of_device(device)
            self.text = orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()
        return self.text


def _word(can: bool) -> str:
    return "yes" if can else "no"
