"""TAP devices that outlive the process that forwards: their descriptors are with the supervisor, too.

A device exists as long as anybody has it open.  A process that follows takes the descriptors over, so the devices
stay where they were moved, with their addresses, and what the kernel has queued in them is not lost.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

import orjson
from msgspec import Struct

MAX_MESSAGE_BYTES = 65536


class KeptDevice(Struct, frozen=True):
    """An open TAP device and what is known of it; `mtu` in bytes."""

    descriptor: int
    mac: str
    ifindex: int
    mtu: int


class Kept:
    """The forwarding process's side; without a supervisor, nothing is kept."""

    def __init__(
        self, channel: socket.socket | None = None, devices: dict[str, KeptDevice] | None = None
    ) -> None:
        self.channel = channel
        self._devices = dict(devices or {})

    @property
    def is_empty(self) -> bool:
        """Whether there is no device of a process before this one."""
        return not self._devices

    def take(self, bridge: str, port: str) -> KeptDevice | None:
        """The device that a process before this one had; the caller closes its descriptor."""
        return self._devices.pop(_key(bridge, port), None)

    def keep(self, bridge: str, port: str, device: KeptDevice) -> None:
        """Have the supervisor hold a device."""
        about = {"keep": _key(bridge, port), "mac": device.mac, "ifindex": device.ifindex, "mtu": device.mtu}
        self._tell(about, [device.descriptor])

    def forget(self, bridge: str, port: str) -> None:
        """Have the supervisor let go of a device."""
        self._tell({"forget": _key(bridge, port)}, [])

    def drop_rest(self) -> None:
        """Let go of what nobody took."""
        for key, device in self._devices.items():
            os.close(device.descriptor)
            self._tell({"forget": key}, [])
        self._devices.clear()

    def _tell(self, about: dict[str, Any], descriptors: list[int]) -> None:
        if self.channel is not None:
            with contextlib.suppress(OSError):  # the supervisor is gone; so is this process soon
                socket.send_fds(self.channel, [orjson.dumps(about)], descriptors)


class KeptDevices:
    """The supervisor's side: descriptors by key."""

    def __init__(self) -> None:
        self.devices: dict[str, KeptDevice] = {}

    def receive(self, channel: socket.socket) -> bool:
        """Take one message; False once the other side is gone."""
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, 1)
        if not data:
            return False
        about = orjson.loads(data)
        if "forget" in about:
            self.forget(about["forget"])
        elif descriptors:
            self.forget(about["keep"])
            kept = KeptDevice(descriptors[0], about["mac"], about["ifindex"], about["mtu"])
            self.devices[about["keep"]] = kept
        return True

    def forget(self, key: str) -> None:
        """Close a descriptor."""
        if (device := self.devices.pop(key, None)) is not None:
            os.close(device.descriptor)

    def send_all(self, channel: socket.socket) -> None:
        """Give every device to another supervisor; an empty message ends it."""
        for key, device in self.devices.items():
            about = {"keep": key, "mac": device.mac, "ifindex": device.ifindex, "mtu": device.mtu}
            socket.send_fds(channel, [orjson.dumps(about)], [device.descriptor])


def _key(bridge: str, port: str) -> str:
    return f"{bridge}/{port}"
