"""Puts devices, tunnels and patches on the ports of native switches, and takes them away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import structlog
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tulle._native import NativeError
from tulle.errors import Unavailable
from tulle.vswitch.bridge import Bridge, Link
from tulle.vswitch.configuration import CREATED, Device, PortSettings, PortState, native_number
from tulle.vswitch.kept import Kept, KeptDevice
from tulle.vswitch.rows_bfd import native as bfd_native
from tulle.vswitch.rows_interface import DEFAULT_MTU
from tulle.vswitch.rows_tunnel import FLOW
from tulle.vswitch.tunnels import Tunnels
from tulle.vswitch.underlay import SavedUnderlay

DEFAULT_BURST_KB = 8000
DEFAULT_BURST_KP = 16
LARGEST = 0xFFFF_FFFF
Attach = Callable[[Bridge, int, Device, PortSettings], Awaitable[Link]]
_logger = structlog.get_logger(__name__)


class Attaching:
    """`bridges` are all that there are, by name: a patch leads from one to another."""

    def __init__(
        self,
        bridges: Mapping[str, Bridge],
        netlink: AsyncIPRoute,
        kept: Kept,
        on_underlay: Callable[[], None] = lambda: None,
    ) -> None:
        self.kept = kept
        self._bridges = bridges
        self._netlink = netlink
        self.tunnels = Tunnels(bridges, netlink, kept, on_underlay)

    async def attach(self, bridge: Bridge, number: int, device: Device, settings: PortSettings) -> Link:
        """Make the port; raises `NativeError`, OSError or `TulleError` if it cannot be."""
        ways: dict[str, Attach] = {
            "tap": self._attach_created,
            "internal": self._attach_created,
            "local": self._attach_created,
            "device": self._attach_device,
            "tunnel": self._attach_tunnel,
            "patch": self._attach_patch,
        }
        link = await ways[device.kind](bridge, native_number(number), device, settings)
        await self._police(bridge, native_number(number), settings)
        _watch(bridge, native_number(number), device, settings)
        return link

    async def resume_tunnels(self, saved: SavedUnderlay, wanted: Iterable[tuple[Bridge, PortState]]) -> None:
        """Make tunnels again as a process before this one had them; those that fail are left to the database."""
        wanted = list(wanted)
        resumed = self.tunnels.resume(saved, wanted)
        for bridge, port in wanted:
            if port in resumed:
                await self._police(bridge, native_number(port.number), port.settings)
                bridge.links[port.device.name] = Link()
                bridge.ports[port.device.name] = port

    def watch_resumed(self) -> None:
        """Watch the tunnels that were made again, once the process before this one sends nothing any more.

        Two sessions that speak in turn would have the far end see the tunnel come and go.
        """
        for bridge in self._bridges.values():
            for port in bridge.ports.values():
                if port.error is None:
                    _watch(bridge, native_number(port.number), port.device, port.settings)

    async def change(self, bridge: Bridge, number: int, device: Device, settings: PortSettings) -> None:
        """Give a port other settings.  A device that was moved into another namespace keeps its own there."""
        await self._police(bridge, native_number(number), settings)
        _watch(bridge, native_number(number), device, settings)
        wanted: dict[str, int | str | None] = {"mtu": settings.mtu}
        if device.kind in CREATED:
            wanted |= {"mtu": settings.mtu or DEFAULT_MTU, "address": settings.mac}
        changes = {name: value for name, value in wanted.items() if value is not None}
        if device.kind in ("tunnel", "patch") or not changes:
            return
        for index in await self._netlink.link_lookup(ifname=device.name):
            try:
                await self._netlink.link("set", index=index, **changes)
            except NetlinkError as error:
                raise Unavailable(f"cannot change {device.name}: {error}") from error

    def detach(self, bridge: Bridge, number: int, device: Device) -> None:
        """Remove the port, as far as it is there."""
        with contextlib.suppress(NativeError):
            bridge.switch.remove_port(native_number(number))
        if device.kind == "patch":
            self.connect_patches()
        if device.kind not in ("tunnel", "patch"):
            self.kept.forget(bridge.name, device.name)
        self.forget(bridge, device)

    def forget(self, bridge: Bridge, device: Device) -> None:
        """A port is gone, or its bridge."""
        if device.kind == "tunnel":
            self.tunnels.detach(bridge, device)

    def connect_patches(self) -> None:
        """Let each patch port lead to its peer: the port of that name whose peer it is in turn."""
        ends = {
            port.device.name: (bridge, port)
            for bridge in self._bridges.values()
            for port in bridge.ports.values()
            if port.device.kind == "patch"
        }
        for name, (bridge, port) in ends.items():
            peer = ends.get(port.device.peer)
            with contextlib.suppress(NativeError):  # a port that failed
                if peer is not None and peer[1].device.peer == name:
                    bridge.switch.connect_patch(port.number, peer[0].switch, peer[1].number)
                else:
                    bridge.switch.connect_patch(port.number, None, 0)

    async def _police(self, bridge: Bridge, number: int, settings: PortSettings) -> None:
        bits = _limit(settings.policing_kbps, settings.policing_burst_kb or DEFAULT_BURST_KB)
        packets = _limit(settings.policing_kpps, settings.policing_burst_kp or DEFAULT_BURST_KP)
        bridge.switch.set_policing(number, bits, packets)

    async def _attach_created(
        self, bridge: Bridge, number: int, device: Device, settings: PortSettings
    ) -> Link:
        if (adopted := self._adopt(bridge, number, device)) is not None:
            return adopted
        mtu = settings.mtu or DEFAULT_MTU
        made = bridge.switch.add_tap(number, device.name, mtu, settings.mac, device.kind == "tap")
        descriptor = bridge.switch.tap_descriptor(number)
        self.kept.keep(bridge.name, device.name, KeptDevice(descriptor, made["mac"], made["ifindex"], mtu))
        os.close(descriptor)
        return Link(made["mac"], made["ifindex"], mtu, *_speed(device.name))

    def _adopt(self, bridge: Bridge, number: int, device: Device) -> Link | None:
        """Go on with the device that a process before this one had."""
        kept = self.kept.take(bridge.name, device.name)
        if kept is None:
            return None
        adopt = self._adopt_device if device.kind == "device" else self._adopt_created
        try:
            return adopt(bridge, number, device, kept)
        except NativeError as error:
            _logger.warning("device not taken over", port=device.name, error=str(error))
            self.kept.forget(bridge.name, device.name)
            return None
        finally:
            os.close(kept.descriptor)

    def _adopt_created(self, bridge: Bridge, number: int, device: Device, kept: KeptDevice) -> Link:
        bridge.switch.adopt_tap(number, device.name, kept.descriptor, kept.mac, kept.ifindex, kept.mtu)
        return Link(kept.mac, kept.ifindex, kept.mtu, *_speed(device.name))

    def _adopt_device(self, bridge: Bridge, number: int, device: Device, kept: KeptDevice) -> Link:
        found = bridge.switch.adopt_device(number, device.name, kept.descriptor, kept.slots)
        return Link(found["mac"], found["ifindex"], found["mtu"], *_speed(device.name))

    async def _attach_device(
        self, bridge: Bridge, number: int, device: Device, settings: PortSettings
    ) -> Link:
        if (adopted := self._adopt(bridge, number, device)) is not None:
            return adopted
        made = bridge.switch.add_device(number, device.name)
        descriptor, slots = bridge.switch.device_descriptor(number)
        known = KeptDevice(descriptor, made["mac"], made["ifindex"], made["mtu"], slots)
        self.kept.keep(bridge.name, device.name, known)
        os.close(descriptor)
        if settings.mtu is not None and settings.mtu != made["mtu"]:
            await self.change(bridge, number, device, settings)
        return Link(made["mac"], made["ifindex"], settings.mtu or made["mtu"], *_speed(device.name))

    async def _attach_tunnel(
        self, bridge: Bridge, number: int, device: Device, _settings: PortSettings
    ) -> Link:
        await self.tunnels.attach(bridge, number, device)
        return Link()

    async def _attach_patch(
        self, bridge: Bridge, number: int, device: Device, _settings: PortSettings
    ) -> Link:
        bridge.switch.add_patch(number, device.name)
        return Link()


def _watch(bridge: Bridge, number: int, device: Device, settings: PortSettings) -> None:
    """A tunnel whose flows choose the far end has nobody to watch."""
    if device.kind == "tunnel" and device.remote != FLOW:
        bridge.switch.watch_health(number, bfd_native(settings.bfd))


def _limit(rate: int, burst: int) -> tuple[int, int] | None:
    """From thousands to ones; a rate of 0 is no limit."""
    return (min(rate, LARGEST) * 1000, min(burst, LARGEST) * 1000) if rate > 0 else None


def _speed(device: str) -> tuple[int | None, str | None]:
    """Bit/s and duplex as the driver says; a device that has none says -1 or refuses."""
    place = Path("/sys/class/net") / device
    try:
        speed = int((place / "speed").read_text())
        duplex = (place / "duplex").read_text().strip()
    except (OSError, ValueError):
        return None, None
    return speed * 1_000_000 if speed > 0 else None, duplex if duplex in ("full", "half") else None
