"""Tunnel ports of all bridges, and what carries them: devices, addresses and ways for each native switch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute

from tulle._native import NativeError
from tulle.vswitch.bridge import Bridge
from tulle.vswitch.configuration import Device
from tulle.vswitch.path_mtu import PathMtus
from tulle.vswitch.rows_tunnel import FLOW
from tulle.vswitch.too_big import GRE, TCP, UDP, TooBig
from tulle.vswitch.underlay import Way, Ways

_logger = structlog.get_logger(__name__)


class _Told(Struct):
    """What a native switch has been told."""

    devices: set[str] = set()
    addresses: list[str] = []


class Tunnels:
    """`bridges` are all that there are, by name."""

    def __init__(self, bridges: Mapping[str, Bridge], netlink: AsyncIPRoute) -> None:
        self._bridges = bridges
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

    def detach(self, bridge: Bridge, device: Device) -> None:
        """The port is gone."""
        own = bridge.name, device.name
        if device.remote not in {other.remote for key, other in self._ports.items() if key != own}:
            self.ways.forget(device.remote)  # which tells the switches of all that use it, hence first
        self._ports.pop(own, None)
        with contextlib.suppress(NativeError):  # the bridge is gone, too
            self._settle(bridge)

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
            bridge.switch.close_underlay(device)
        told.devices &= needed
        failed = {}
        for device in sorted(needed):
            try:
                bridge.switch.open_underlay(device)
                told.devices.add(device)
            except NativeError as error:
                failed[device] = error
        return failed

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
