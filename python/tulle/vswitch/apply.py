"""Does the steps of `configuration` on native switches, and knows what is there.

A port that cannot be attached stays in the state with its error; the other steps go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute

from tulle._native import NativeError, Switch
from tulle.errors import TulleError, Unavailable
from tulle.vswitch.configuration import (
    AddBridge,
    AddPort,
    BridgeState,
    Device,
    PortState,
    RemoveBridge,
    RemovePort,
    Step,
)
from tulle.vswitch.endpoint import OpenFlowEndpoint
from tulle.vswitch.rows import STANDARD_PORTS
from tulle.vswitch.underlay import NextHops, route_to

_logger = structlog.get_logger(__name__)


class Link(Struct, frozen=True):
    """What attaching a device told about it; `mtu` in bytes."""

    mac: str | None = None
    ifindex: int | None = None
    mtu: int | None = None


class Bridge:
    """One native switch with its OpenFlow socket and the ports that it has."""

    def __init__(self, name: str, datapath_id: int, directory: Path) -> None:
        self.name = name
        self.datapath_id = datapath_id
        self.switch = Switch(name, datapath_id, secrets.randbits(64))
        self.endpoint = OpenFlowEndpoint(directory / f"{name}.mgmt", self.switch.open_session)
        self.ports: dict[str, PortState] = {}
        self.links: dict[str, Link] = {}

    @property
    def state(self) -> BridgeState:
        """As `configuration.plan` wants it."""
        return BridgeState(self.name, self.datapath_id, dict(self.ports))

    def fail(self, number: int, error: str) -> None:
        """A port stopped working."""
        for name, port in self.ports.items():
            if port.number == number:
                self.ports[name] = PortState(port.device, number, error)

    async def close(self) -> None:
        """Stop forwarding and close the socket."""
        with contextlib.suppress(ValueError, OSError):
            asyncio.get_running_loop().remove_reader(self.switch.event_fd)
        await self.endpoint.close()
        self.switch.close()


class Bridges:
    """All bridges of a switch process; `on_failure` is called when a port stops working by itself.

    Whoever changes them holds `lock`.
    """

    def __init__(self, directory: Path, netlink: AsyncIPRoute, on_failure: Callable[[], None]) -> None:
        self._directory = directory
        self._netlink = netlink
        self._on_failure = on_failure
        self.bridges: dict[str, Bridge] = {}
        self.lock = asyncio.Lock()
        self.next_hops = NextHops(netlink, self._set_next_hop)

    @property
    def state(self) -> dict[str, BridgeState]:
        """All bridges as they are."""
        return {name: bridge.state for name, bridge in self.bridges.items()}

    async def apply(self, steps: Iterable[Step]) -> None:
        """Do all steps in order."""
        for step in steps:
            _logger.info("step", step=repr(step))
            match step:
                case AddBridge(name, datapath_id):
                    await self._add_bridge(name, datapath_id)
                case RemoveBridge(name):
                    await self._remove_bridge(name)
                case AddPort(bridge, number, device):
                    await self._add_port(self.bridges[bridge], number, device)
                case RemovePort(bridge, number, name):
                    self._remove_port(self.bridges[bridge], number, name)

    async def retry_failed(self) -> bool:
        """Attach the ports again that do not work; True if that changed anything."""
        changed = False
        for bridge in self.bridges.values():
            for port in [port for port in bridge.ports.values() if port.error is not None]:
                with contextlib.suppress(NativeError):
                    bridge.switch.remove_port(port.number)
                await self._add_port(bridge, port.number, port.device)
                changed = changed or bridge.ports[port.device.name] != port
        return changed

    async def follow_routes(self) -> bool:
        """Attach tunnels again whose way through the underlay is another one; True if there were any."""
        changed = False
        for bridge in self.bridges.values():
            for port in [port for port in bridge.ports.values() if port.device.kind == "tunnel"]:
                if port.error is None and not await self._same_way(port.device):
                    bridge.switch.remove_port(port.number)
                    await self._add_port(bridge, port.number, port.device)
                    changed = True
        return changed

    async def _same_way(self, device: Device) -> bool:
        try:
            return self.next_hops.route(device.remote) == await route_to(self._netlink, device.remote)
        except Unavailable:
            return False

    async def close(self) -> None:
        """Remove everything."""
        for name in list(self.bridges):
            await self._remove_bridge(name)

    async def _add_bridge(self, name: str, datapath_id: int) -> None:
        bridge = Bridge(name, datapath_id, self._directory)
        try:
            await bridge.endpoint.start()
        except OSError:
            bridge.switch.close()
            raise
        self.bridges[name] = bridge
        asyncio.get_running_loop().add_reader(bridge.switch.event_fd, self._take_events, bridge)

    async def _remove_bridge(self, name: str) -> None:
        bridge = self.bridges.pop(name)
        await bridge.close()
        for port in bridge.ports.values():
            self._forget_remote(port.device)

    async def _add_port(self, bridge: Bridge, number: int, device: Device) -> None:
        error = None
        try:
            bridge.links[device.name] = await self._attach(bridge, number, device)
        except (NativeError, OSError, TulleError) as problem:
            error = _reason(problem)
            bridge.links.pop(device.name, None)
            before = bridge.ports.get(device.name)
            if before is None or before.error != error:
                _logger.warning("port not attached", bridge=bridge.name, port=device.name, error=error)
        bridge.ports[device.name] = PortState(device, number, error)

    async def _attach(self, bridge: Bridge, number: int, device: Device) -> Link:
        attach: dict[str, Callable[[Bridge, int, Device], Awaitable[Link]]] = {
            "tap": self._attach_tap,
            "device": self._attach_device,
            "tunnel": self._attach_tunnel,
        }
        return await attach[device.kind](bridge, number, device) if device.kind in attach else Link()

    async def _attach_tap(self, bridge: Bridge, number: int, device: Device) -> Link:
        made = bridge.switch.add_tap(number, device.name, device.mtu)
        return Link(made["mac"], made["ifindex"], device.mtu)

    async def _attach_device(self, bridge: Bridge, number: int, device: Device) -> Link:
        made = bridge.switch.add_device(number, device.name)
        return Link(made["mac"], made["ifindex"], made["mtu"])

    async def _attach_tunnel(self, bridge: Bridge, number: int, device: Device) -> Link:
        route = await route_to(self._netlink, device.remote)
        local = device.local or route.local
        if not local:
            raise Unavailable(f"no source address towards {device.remote}")
        bridge.switch.open_underlay(route.device, local, route.mtu, STANDARD_PORTS)
        bridge.switch.add_tunnel(number, device.name, device.encapsulation, local, device.remote)
        self.next_hops.follow(route)
        self.next_hops.announce_again()
        return Link()

    def _remove_port(self, bridge: Bridge, number: int, name: str) -> None:
        port = bridge.ports.pop(name)
        bridge.links.pop(name, None)
        if port.device.kind != "local" and port.error is None:
            try:
                bridge.switch.remove_port(number)
            except NativeError as error:
                _logger.warning("port not removed", bridge=bridge.name, port=name, error=str(error))
        self._forget_remote(port.device)

    def _forget_remote(self, device: Device) -> None:
        users = [port.device.remote for bridge in self.bridges.values() for port in bridge.ports.values()]
        if device.kind == "tunnel" and device.remote not in users:
            self.next_hops.forget(device.remote)

    def _set_next_hop(self, remote: str, mac: str | None) -> None:
        for bridge in self.bridges.values():
            if any(port.device.remote == remote for port in bridge.ports.values()):
                try:
                    bridge.switch.set_next_hop(remote, mac)
                except NativeError as error:
                    _logger.warning("next hop not set", remote=remote, error=str(error))

    def _take_events(self, bridge: Bridge) -> None:
        for event in bridge.switch.events():
            match event["event"]:
                case "next-hop-needed":
                    self.next_hops.hurry()
                case "port-failed":
                    bridge.fail(event["port"], str(event["error"]))
                    self._on_failure()
        bridge.endpoint.flush()


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.errno is not None:
        return f"{problem.strerror or errno.errorcode.get(problem.errno)}"
    return str(problem)
