"""Descriptors that outlive the process that forwards: they are with the supervisor, too.

A TAP device exists as long as anybody has it open, and a socket that receives from another device goes on
receiving.  A process that follows takes the descriptors over, so devices stay where they were moved, and what the
kernel has queued meanwhile is not lost.

By the same socket, supervisor and forwarding process say how far a change of the latter is:

    who forwards                supervisor                  who follows
    - saved (1) ------------->  starts a process -------->
                                <----------------- ready -  has flows and ports, takes no packet
    <------------------ stop -
    - held (2) -------------->  - go -------------------->  takes packets
    ends                        - alone ----------------->  opens the rest

From (1) on nothing but packets is seen to, so that flows stay as they were saved; from (2) on no packet is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import orjson
from msgspec import Struct

from tulle.errors import Unavailable

MAX_MESSAGE_BYTES = 65536
GUARD = "guard:"
SAVED, READY, STOP, HELD, GO, ALONE = "saved", "ready", "stop", "held", "go", "alone"
LEAVING = "leaving"
"""What a forwarding process says that ends for good."""


class KeptDevice(Struct, frozen=True):
    """An open device and what is known of it; `mtu` in bytes, `slots` of the ring that is received by, if any."""

    descriptor: int
    mac: str
    ifindex: int
    mtu: int
    slots: int = 0


class Kept:
    """The forwarding process's side; without a supervisor, nothing is kept.  `heard` is what need not be said."""

    def __init__(
        self,
        channel: socket.socket | None = None,
        devices: dict[str, KeptDevice] | None = None,
        heard: Iterable[str] = (GO, ALONE),
    ) -> None:
        self.channel = channel
        self._devices = dict(devices or {})
        self._heard = set(heard)

    @property
    def is_empty(self) -> bool:
        """Whether there is no device of a process before this one."""
        return not self._devices

    def take(self, bridge: str, port: str) -> KeptDevice | None:
        """The device that a process before this one had; the caller closes its descriptor."""
        return self._devices.pop(_key(bridge, port), None)

    def keep(self, bridge: str, port: str, device: KeptDevice) -> None:
        """Have the supervisor hold a device."""
        self._tell(_about(_key(bridge, port), device), [device.descriptor])

    def forget(self, bridge: str, port: str) -> None:
        """Have the supervisor let go of a device."""
        self._tell({"forget": _key(bridge, port)}, [])

    def keep_guard(self, name: str, descriptors: Iterable[int]) -> None:
        """Have the supervisor hold what keeps a port of tunnels."""
        for place, descriptor in enumerate(descriptors):
            self.keep("", _guard(name, place), KeptDevice(descriptor, "", 0, 0))

    def forget_guard(self, name: str, count: int) -> None:
        """Have the supervisor let go of it."""
        for place in range(count):
            self.forget("", _guard(name, place))

    def take_guards(self) -> dict[str, list[int]]:
        """By name, what kept ports of tunnels; the caller closes the descriptors."""
        found: dict[str, list[int]] = {}
        for key in sorted(key for key in self._devices if key.startswith(_key("", GUARD))):
            name = key.removeprefix(_key("", GUARD)).rpartition(":")[0]
            found.setdefault(name, []).append(self._devices.pop(key).descriptor)
        return found

    def drop_rest(self) -> None:
        """Let go of what nobody took."""
        for key, device in self._devices.items():
            os.close(device.descriptor)
            self._tell({"forget": key}, [])
        self._devices.clear()

    def say(self, word: str) -> None:
        """Say how far this process is."""
        self._tell({"say": word}, [])

    async def told(self, word: str) -> None:
        """Wait until the supervisor says so; raises `Unavailable` when it is gone."""
        while word not in self._heard and self.channel is not None:
            await _readable(self.channel)
            if not self._hear(self.channel):
                raise Unavailable("the supervisor is gone")

    @contextlib.asynccontextmanager
    async def watched(self, is_gone: Callable[[], object]) -> AsyncIterator[None]:
        """Notice meanwhile when the supervisor is gone."""
        channel, loop = self.channel, asyncio.get_running_loop()
        if channel is None:
            yield
            return
        loop.add_reader(channel, lambda: self._hear(channel) or is_gone())
        try:
            yield
        finally:
            loop.remove_reader(channel)

    def _hear(self, channel: socket.socket) -> bool:
        data, _ = _received(channel)
        if data:
            self._heard.add(data.decode())
        return bool(data)

    def _tell(self, about: dict[str, Any], descriptors: list[int]) -> None:
        if self.channel is not None:
            with contextlib.suppress(OSError):  # the supervisor is gone; so is this process soon
                socket.send_fds(self.channel, [orjson.dumps(about)], descriptors)


class KeptDevices:
    """The supervisor's side: descriptors by key."""

    def __init__(self) -> None:
        self.devices: dict[str, KeptDevice] = {}

    def receive(self, channel: socket.socket) -> str | None:
        """Take one message: the word that it says, "" if it is about a device; None once the other side is gone."""
        data, descriptors = _received(channel)
        if not data:
            return None
        about = orjson.loads(data)
        if "say" in about:
            return str(about["say"])
        if "forget" in about:
            self.forget(about["forget"])
        elif descriptors:
            self.forget(about["keep"])
            known = {name: about[name] for name in ("mac", "ifindex", "mtu", "slots")}
            self.devices[about["keep"]] = KeptDevice(descriptors[0], **known)
        return ""

    def forget(self, key: str) -> None:
        """Close a descriptor."""
        if (device := self.devices.pop(key, None)) is not None:
            os.close(device.descriptor)

    def send_all(self, channel: socket.socket) -> None:
        """Give every device to another supervisor, as far as it is there, and tell it to begin."""
        with contextlib.suppress(OSError):
            for key, device in self.devices.items():
                socket.send_fds(channel, [orjson.dumps(_about(key, device))], [device.descriptor])
        say(channel, SAVED)


def say(channel: socket.socket, word: str) -> None:
    """Say a word to another supervisor, as far as it is there."""
    with contextlib.suppress(OSError):
        channel.send(orjson.dumps({"say": word}))


def _received(channel: socket.socket) -> tuple[bytes, list[int]]:
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, 1)
    except ConnectionResetError:  # it is gone and has not read everything; what it said itself comes now
        data, descriptors, _, _ = socket.recv_fds(channel, MAX_MESSAGE_BYTES, 1)
    return data, descriptors


def _about(key: str, device: KeptDevice) -> dict[str, Any]:
    known = {"mac": device.mac, "ifindex": device.ifindex, "mtu": device.mtu, "slots": device.slots}
    return {"keep": key, **known}


def _guard(name: str, place: int) -> str:
    return f"{GUARD}{name}:{place}"


def _key(bridge: str, port: str) -> str:
    return f"{bridge}/{port}"


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(channel, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(channel)
