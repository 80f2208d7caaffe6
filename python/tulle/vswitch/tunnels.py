"""Tunnel ports of all bridges, and what carries them: devices, addresses and ways for each native switch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute

from tulle._native import NativeError
from tulle.vswitch.bridge import Bridge
from tulle.vswitch.configuration import Device, PortState, native_number
from tulle.vswitch.kept import Kept, KeptDevice
from tulle.vswitch.path_mtu import PathMtus
from tulle.vswitch.rows_tunnel import FLOW
from tulle.vswitch.too_big import GRE, TCP, UDP, TooBig
from tulle.vswitch.underlay import SavedUnderlay, Way, Ways

_logger = structlog.get_logger(__name__)


class _Told(Struct):
    """What a native switch has been told."""

    devices: set[str] = set()
    addresses: list[str] = []
    sockets: dict[str, int] = {}
    """By device, the inode of the socket that the supervisor has, too."""


class Tunnels:
    """`bridges` are all that there are, by name."""

    def __init__(
        self,
        bridges: Mapping[str, Bridge],
        netlink: AsyncIPRoute,
        kept: Kept,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._bridges = bridges
        self._kept = kept
        self._guards: dict[str, int] = {}
        self._on_change = on_change
        self._ports: dict[tuple[str, str], Device] = {}
        self._told: WeakKeyDictionary[Bridge, _Told] = WeakKeyDictionary()
        self.path_mtus = PathMtus(self._sends, lambda: self.ways.hurry())
        self.ways = Ways(netlink, self._set_way, self._settle_all, self.path_mtus.of)

    async def attach(self, bridge: Bridge, number: int, device: Device) -> None:
        """Make the port; raises `Unavailable` without a route, `NativeError` if it cannot be."""
        if device.remote != FLOW:
            await self.ways.follow(device.remote)
        else:
            await self.ways.look_at_host()
        bridge.switch.add_tunnel(number, device.name, native(device))
        self._ports[bridge.name, device.name] = device
        try:
            self._open(bridge, device)
        except NativeError:
            bridge.switch.remove_port(number)
            self.detach(bridge, device)
            raise
        for remote, way in self.ways.known():
            if self._uses(bridge, remote):
                self._tell(bridge, remote, way)
        self._on_change()

    def resume(self, saved: SavedUnderlay, wanted: Iterable[tuple[Bridge, PortState]]) -> list[PortState]:
        """Make tunnels again as a process before this one had them, without asking the kernel; those that are there.

        What their sockets receive is set only once all are there: that process may still receive by the same ones.
        """
        known = [(bridge, port) for bridge, port in wanted if port.device.remote in (FLOW, *saved.routes)]
        self.ways.resume(saved, {port.device.remote for _, port in known} - {FLOW})
        for name, descriptors in self._kept.take_guards().items():
            if known:
                known[0][0].switch.adopt_guard(name, descriptors)
                self._guards[name] = len(descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        resumed = []
        for bridge, port in known:
            try:
                bridge.switch.add_tunnel(native_number(port.number), port.device.name, native(port.device))
            except NativeError as error:
                _logger.warning("tunnel not resumed", port=port.device.name, error=str(error))
                continue
            self._ports[bridge.name, port.device.name] = port.device
            resumed.append(port)
        for bridge in {bridge.name: bridge for bridge, _ in known}.values():
            for device, reason in self._settle(bridge).items():
                _logger.warning("underlay not resumed", bridge=bridge.name, device=device, error=str(reason))
            for remote, way in self.ways.known():
                if self._uses(bridge, remote):
                    self._tell(bridge, remote, way)
        return resumed

    def detach(self, bridge: Bridge, device: Device) -> None:
        """The port is gone."""
        own = bridge.name, device.name
        if device.remote not in {other.remote for key, other in self._ports.items() if key != own}:
            self.ways.forget(device.remote)  # which tells the switches of all that use it, hence first
        self._ports.pop(own, None)
        with contextlib.suppress(NativeError):  # the bridge is gone, too
            self._settle(bridge)

    def look_at_devices(self) -> None:
        """The devices that carry tunnels may cut other things than before."""
        for bridge, told in self._told.items():
            if told.devices:
                with contextlib.suppress(NativeError):  # others are to hear of it all the same
                    bridge.switch.look_at_underlay()

    def devices(self) -> set[str]:
        """The devices that carry tunnels of any bridge."""
        return {device for told in self._told.values() for device in told.devices}

    def is_reachable(self, device: Device) -> bool:
        """Whether there is a way for packets to leave."""
        return device.remote == FLOW or self.ways.has_route(device.remote)

    async def _settle_all(self) -> None:
        for bridge in self._bridges.values():
            try:
                failed = self._settle(bridge)
            except NativeError as error:
                failed = {"": error}
            for device, reason in failed.items():
                _logger.warning("underlay not opened", bridge=bridge.name, device=device, error=str(reason))
        self._on_change()

    def _open(self, bridge: Bridge, device: Device) -> None:
        """Raise `NativeError` where one of this tunnel's devices cannot be opened; others are their tunnels' matter."""
        failed = self._settle(bridge)
        for name in sorted(self._needed(device) & failed.keys()):
            raise failed[name]

    def _settle(self, bridge: Bridge) -> dict[str, NativeError]:
        """Open the devices that the bridge's tunnels need, and close the others; those that cannot be opened."""
        told = self._told.setdefault(bridge, _Told())
        needed = self._devices(bridge)
        addresses = self.ways.host.addresses
        if told.addresses != addresses:
            bridge.switch.set_underlay_addresses(addresses)
            told.addresses = addresses
        for device in told.devices - needed:
            told.sockets.pop(device, None)
            self._kept.forget(bridge.name, _carrier(device))
        self._keep_guards()
        for device in told.devices - needed:
            bridge.switch.close_underlay(device)
        told.devices &= needed
        failed = {}
        for device in sorted(needed):
            try:
                self._open_device(bridge, device, told)
                told.devices.add(device)
            except NativeError as error:
                failed[device] = error
        return failed

    def _open_device(self, bridge: Bridge, device: str, told: _Told) -> None:
        if (kept := self._kept.take(bridge.name, _carrier(device))) is not None:
            try:
                bridge.switch.adopt_underlay(device, kept.descriptor)
                told.sockets[device] = os.fstat(kept.descriptor).st_ino
            except NativeError as error:
                _logger.warning("underlay not taken over", device=device, error=str(error))
                self._kept.forget(bridge.name, _carrier(device))
            finally:
                os.close(kept.descriptor)
        bridge.switch.open_underlay(device)
        descriptor = bridge.switch.underlay_descriptor(device)
        if told.sockets.get(device) != (inode := os.fstat(descriptor).st_ino):
            self._kept.keep(bridge.name, _carrier(device), KeptDevice(descriptor, "", 0, 0))
            told.sockets[device] = inode
        os.close(descriptor)

    def _keep_guards(self) -> None:
        """Have the supervisor hold what keeps the kernel quiet about tunnels' ports, as long as they are there."""
        names = {name for name, _ in self._ports}
        users = [bridge for name, bridge in self._bridges.items() if name in names]
        guards = dict(users[0].switch.guards()) if users else {}
        for name in self._guards.keys() - guards.keys():
            self._kept.forget_guard(name, self._guards.pop(name))
        for name, descriptors in guards.items():
            if name not in self._guards:
                self._kept.keep_guard(name, descriptors)
                self._guards[name] = len(descriptors)
            for descriptor in descriptors:
                os.close(descriptor)

    def _devices(self, bridge: Bridge) -> set[str]:
        """Those of all its tunnels, and those towards peers that flows have chosen."""
        devices: set[str] = set()
        for device in self._of(bridge):
            devices |= self._needed(device)
            if FLOW in (device.remote, device.local):
                devices |= self.ways.asked_devices()
        return devices

    def _needed(self, device: Device) -> set[str]:
        """Those that packets leave by, and those that have the tunnel's own addresses: answers may take another way."""
        route = self.ways.routes.get(device.remote)
        devices = self.ways.host.devices() if FLOW in (device.remote, device.local) else set()
        if route is not None:
            devices |= {route.device} | self.ways.host.devices(device.local or route.local)
        return devices

    def _of(self, bridge: Bridge) -> list[Device]:
        return [device for (name, _), device in self._ports.items() if name == bridge.name]

    def _uses(self, bridge: Bridge, remote: str) -> bool:
        return any(device.remote in (remote, FLOW) for device in self._of(bridge))

    def _set_way(self, remote: str, way: Way | None) -> None:
        for bridge in self._users(remote):
            self._tell(bridge, remote, way)
        self._on_change()

    def _users(self, remote: str) -> Iterable[Bridge]:
        return [bridge for bridge in self._bridges.values() if self._uses(bridge, remote)]

    def _sends(self, packet: TooBig) -> bool:
        """Whether a tunnel sends packets from here to there, of this protocol and to this port."""
        if not self.ways.has_route(packet.remote) or packet.local not in self.ways.host.addresses:
            return False
        return any(
            device.remote in (packet.remote, FLOW)
            and device.local in (packet.local, FLOW, "")
            and (_protocol(device), device.tunnel.dst_port) == (packet.protocol, packet.port)
            for device in self._ports.values()
        )

    def _tell(self, bridge: Bridge, remote: str, way: Way | None) -> None:
        told = None if way is None else (way.device, way.local, way.mac, way.mtu)
        try:
            bridge.switch.set_way(remote, told)
        except NativeError as error:
            _logger.warning("way not set", remote=remote, error=str(error))


def _protocol(device: Device) -> int:
    """The IP protocol of a tunnel's packets."""
    return {"stt": TCP, "vxlan": UDP, "geneve": UDP}.get(device.encapsulation, GRE)


def _carrier(device: str) -> str:
    """What the supervisor knows a device of the underlay by; no port's name has a colon."""
    return f"underlay:{device}"


def native(device: Device) -> dict[str, Any]:
    """A tunnel as `Switch.add_tunnel` wants it."""
    options = device.tunnel
    return {
        "encapsulation": device.encapsulation,
        "remote": device.remote,
        "local": device.local,
        "in_key": options.in_key,
        "out_key": options.out_key,
        "dst_port": options.dst_port,
        "tos": options.tos,
        "ttl": options.ttl,
        "dont_fragment": options.dont_fragment,
        "checksum": options.checksum,
        "gbp": options.gbp,
        "sequence": options.sequence,
    }
