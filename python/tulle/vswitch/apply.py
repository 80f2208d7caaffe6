"""Does the steps of `planning` on native switches, and knows what is there.

A port that cannot be attached stays in the state with its error; the other steps go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog
from pyroute2 import AsyncIPRoute

from tulle._native import NativeError, Switch
from tulle.errors import TulleError
from tulle.ovsdb.tls import Tls
from tulle.vswitch.attaching import Attaching
from tulle.vswitch.bridge import Bridge
from tulle.vswitch.configuration import (
    AddBridge,
    AddPort,
    BridgeSettings,
    BridgeState,
    Device,
    PortSettings,
    PortState,
    RemoveBridge,
    RemovePort,
    SetBridge,
    SetPort,
    Step,
)
from tulle.vswitch.kept import Kept
from tulle.vswitch.saved_flows import SavedFlows

SAVE_UNDERLAY_S = 0.05
_logger = structlog.get_logger(__name__)


class Switches(Mapping[str, Switch]):
    """A view of bridges as their native switches."""

    def __init__(self, bridges: Mapping[str, Bridge]) -> None:
        self._bridges = bridges

    def __getitem__(self, name: str) -> Switch:
        return self._bridges[name].switch

    def __iter__(self) -> Iterator[str]:
        return iter(self._bridges)

    def __len__(self) -> int:
        return len(self._bridges)


class Bridges:
    """All bridges of a switch process; `on_change` is called when a port or controller changes by itself.

    Whoever changes them holds `lock`.
    """

    def __init__(
        self,
        directory: Path,
        netlink: AsyncIPRoute,
        on_change: Callable[[], None],
        tls: Tls | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._directory = directory
        self._on_change = on_change
        self._tls = tls
        self.bridges: dict[str, Bridge] = {}
        self.lock = asyncio.Lock()
        self.attaching = Attaching(self.bridges, netlink, kept or Kept(), self._underlay_changed)
        self.saved = SavedFlows(directory / "flows", on_change)
        self._saving: asyncio.TimerHandle | None = None

    @property
    def state(self) -> dict[str, BridgeState]:
        """All bridges as they are."""
        return {name: bridge.state for name, bridge in self.bridges.items()}

    @property
    def switches(self) -> Mapping[str, Switch]:
        """The native switches by name, as they are whenever it is looked at."""
        return Switches(self.bridges)

    async def apply(self, steps: Iterable[Step]) -> None:
        """Do all steps in order."""
        for step in steps:
            _logger.info("step", step=repr(step))
            match step:
                case AddBridge(name, settings):
                    await self._add_bridge(name, settings)
                case RemoveBridge(name):
                    for port in self.bridges[name].ports.values():
                        self.attaching.kept.forget(name, port.device.name)
                    await self._remove_bridge(name)
                    self.saved.forget(name)
                case SetBridge(name, settings):
                    await self.bridges[name].configure(settings)
                case AddPort(bridge, number, device, port_settings):
                    await self._add_port(self.bridges[bridge], number, device, port_settings)
                case RemovePort(bridge, number, name):
                    port = self.bridges[bridge].ports.pop(name)
                    self.bridges[bridge].forget_link(name)
                    self.attaching.detach(self.bridges[bridge], number, port.device)
                case SetPort(bridge, name, port_settings):
                    await self._set_port(self.bridges[bridge], name, port_settings)

    async def resume(self, states: Sequence[BridgeState]) -> None:
        """Be ready to forward as a process before this one did, with its flows and ports, once that is released.

        Packets wait in the devices.
        """
        for state in states:
            bridge = self._new_bridge(state.name, state.settings)
            bridge.switch.hold(True)
            bridge.restore(self.saved)
            self.bridges[state.name] = bridge
            for port in state.ports.values():
                if port.device.kind != "tunnel" and port.error is None:
                    await self._add_port(bridge, port.number, port.device, port.settings)
        if (underlay := self.saved.underlay()) is not None:
            every = [(self.bridges[state.name], port) for state in states for port in state.ports.values()]
            tunnels = [one for one in every if one[1].device.kind == "tunnel" and one[1].error is None]
            await self.attaching.resume_tunnels(underlay, tunnels)
        for state in states:
            self.bridges[state.name].configure_forwarding(state.forwarding)

    def save_underlay(self) -> None:
        """Say what carries tunnels, for the process after this one."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        try:
            self.saved.save_underlay(self.attaching.tunnels.ways.saved())
        except OSError as error:
            _logger.warning("underlay not saved", error=str(error))

    def _underlay_changed(self) -> None:
        """Many ways may change in a moment."""
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_UNDERLAY_S, self.save_underlay)

    async def release(self) -> None:
        """Forward what waits, and only then open sockets."""
        for bridge in self.bridges.values():
            bridge.switch.hold(False)
        self.attaching.watch_resumed()
        for bridge in list(self.bridges.values()):
            await self._start(bridge)

    def drop_guards(self) -> None:
        """Let go of ports that tunnels of a process before this one had, and none of ours."""
        for bridge in self.bridges.values():
            with contextlib.suppress(NativeError):
                bridge.switch.drop_guards()

    def be_one_thread(self) -> None:
        """Have each bridge forward by its first thread alone, whose sockets are those that are kept."""
        for bridge in self.bridges.values():
            with contextlib.suppress(NativeError):
                bridge.switch.set_threads(1)

    def hold(self) -> None:
        """Leave packets in the devices, and let those that are on their way through patch ports arrive."""
        for _ in range(len(self.bridges) + 1):
            for bridge in self.bridges.values():
                bridge.switch.hold(True)

    async def end_sessions(self) -> None:
        """Let nobody change flows any more."""
        for bridge in self.bridges.values():
            await bridge.end_sessions()

    async def retry_failed(self) -> bool:
        """Attach the ports again that do not work; True if that changed anything."""
        changed = False
        for bridge in self.bridges.values():
            for port in [port for port in bridge.ports.values() if port.error is not None]:
                await self._attach_again(bridge, port)
                changed = changed or bridge.ports[port.device.name] != port
        return changed

    async def follow_routes(self) -> bool:
        """Attach tunnels again whose peer cannot be reached any more, which says why; True if there were any."""
        changed = False
        for bridge in self.bridges.values():
            for port in [port for port in bridge.ports.values() if port.device.kind == "tunnel"]:
                if port.error is None and not self.attaching.tunnels.is_reachable(port.device):
                    await self._attach_again(bridge, port)
                    changed = True
        return changed

    async def close(self) -> None:
        """Remove everything."""
        for name in list(self.bridges):
            await self._remove_bridge(name)

    async def _add_bridge(self, name: str, settings: BridgeSettings) -> None:
        bridge = self._new_bridge(name, settings)
        bridge.restore(self.saved)
        await self._start(bridge)

    def _new_bridge(self, name: str, settings: BridgeSettings) -> Bridge:
        return Bridge(name, settings, self._directory, self._on_change, self._tls)

    async def _start(self, bridge: Bridge) -> None:
        try:
            await bridge.start()
        except OSError:
            await bridge.close()
            raise
        self.bridges[bridge.name] = bridge
        asyncio.get_running_loop().add_reader(bridge.switch.event_fd, self._take_events, bridge)

    async def _remove_bridge(self, name: str) -> None:
        bridge = self.bridges.pop(name)
        await bridge.close()
        for port in bridge.ports.values():
            self.attaching.forget(bridge, port.device)
        self.attaching.connect_patches()

    async def _attach_again(self, bridge: Bridge, port: PortState) -> None:
        with contextlib.suppress(NativeError):
            self.attaching.detach(bridge, port.number, port.device)
        bridge.forget_link(port.device.name)
        await self._add_port(bridge, port.number, port.device, port.settings)

    async def _add_port(self, bridge: Bridge, number: int, device: Device, settings: PortSettings) -> None:
        error = None
        try:
            bridge.links[device.name] = await self.attaching.attach(bridge, number, device, settings)
        except (NativeError, OSError, TulleError) as problem:
            error = _reason(problem)
            bridge.links.pop(device.name, None)
            before = bridge.ports.get(device.name)
            if before is None or before.error != error:
                _logger.warning("port not attached", bridge=bridge.name, port=device.name, error=error)
        bridge.ports[device.name] = PortState(device, number, error, settings)
        if device.kind == "patch":
            self.attaching.connect_patches()

    async def _set_port(self, bridge: Bridge, name: str, settings: PortSettings) -> None:
        port = bridge.ports[name]
        error = port.error
        try:
            if error is None:
                await self.attaching.change(bridge, port.number, port.device, settings)
        except (NativeError, OSError, TulleError) as problem:
            error = _reason(problem)
        bridge.ports[name] = PortState(port.device, port.number, error, settings)

    def _take_events(self, bridge: Bridge) -> None:
        for event in bridge.switch.events():
            match event["event"]:
                case "next-hop-needed":
                    self.attaching.tunnels.ways.ask(event["remote"])
                case "session-opened":
                    bridge.session_opened(event["session"])
                case "session-closed":
                    bridge.session_ended(event["session"], event["reason"])
                case "health-changed":
                    self._on_change()
                case "port-failed":
                    bridge.fail(event["port"], str(event["error"]))
                    self._on_change()
        bridge.flush()


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.errno is not None:
        return f"{problem.strerror or errno.errorcode.get(problem.errno)}"
    return str(problem)
