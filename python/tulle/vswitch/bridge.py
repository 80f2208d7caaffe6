"""One bridge: a native switch, its OpenFlow sockets and controllers, and the ports that it has."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from tulle._native import NativeError, Switch
from tulle.ovsdb.tls import Tls
from tulle.vswitch.agent_address import agent_address
from tulle.vswitch.bonds import Bond, new_bond
from tulle.vswitch.configuration import BridgeSettings, BridgeState, PortState, native_number, wire_versions
from tulle.vswitch.controller_sessions import Context
from tulle.vswitch.controllers import Controllers
from tulle.vswitch.fail_mode import FailMode
from tulle.vswitch.forwarding import Forwarding, native
from tulle.vswitch.saved_flows import SavedFlows
from tulle.vswitch.service_socket import ServiceSocket
from tulle.vswitch.telemetry import native as native_telemetry

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
_logger = structlog.get_logger(__name__)


class Link(Struct, frozen=True):
    """What attaching a device told about it; `mtu` in bytes, speed in bit/s."""

    mac: str | None = None
    ifindex: int | None = None
    mtu: int | None = None
    speed_bps: int | None = None
    duplex: str | None = None


class KernelLink(Struct, frozen=True):
    """A network device as the kernel shows it; `mtu` in bytes."""

    flags: int
    mtu: int
    mac: str | None = None

    @property
    def states(self) -> tuple[bool, bool]:
        """Whether it is set up, and whether it has a link."""
        return bool(self.flags & IFF_UP), bool(self.flags & IFF_LOWER_UP)


class Bridge:
    """Between `start` and `close`.  `on_change` is called when a controller comes or goes."""

    def __init__(
        self,
        name: str,
        settings: BridgeSettings,
        directory: Path,
        on_change: Callable[[], None],
        tls: Tls | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.switch = Switch(name, settings.datapath_id, secrets.randbits(64))
        self.ports: dict[str, PortState] = {}
        self.links: dict[str, Link] = {}
        self.problems: list[str] = []
        """What it was asked for and could not do."""
        self.forwarding = Forwarding()
        self.unshaped: dict[str, str] = {}  # by port: why it has not the QoS that it should have
        self.bonds: dict[str, Bond] = {}
        self._told: dict[str, Any] = {}
        self._told_telemetry: dict[str, Any] = {}
        self._on_change = on_change
        self._saved: SavedFlows | None = None
        self._states: dict[str, tuple[int, bool, bool]] = {}
        context = Context(self.switch, directory, tls)
        self._service = ServiceSocket(directory / f"{name}.mgmt", self.switch, self._serve)
        self._snoop = ServiceSocket(directory / f"{name}.snoop", self.switch, self.switch.snoop)
        self.controllers = Controllers(context, on_change)
        self.fail_mode = FailMode(self.switch, name)

    @property
    def state(self) -> BridgeState:
        """As `planning.plan` wants it."""
        return BridgeState(self.name, self.settings, dict(self.ports), self.forwarding)

    def restore(self, saved: SavedFlows) -> None:
        """Take the flows that a process before this one had, if any."""
        self._saved = saved
        restored = saved.restore(self.name, self.switch)
        self.fail_mode.configure(self.settings, time.monotonic(), restored=restored)

    @property
    def unsaved(self) -> str | None:
        """Why its flows would not all outlive this process."""
        return None if self._saved is None else self._saved.problem(self.name)

    async def start(self) -> None:
        """Listen, and configure for the first time; raises OSError."""
        await self._service.start()
        await self._snoop.start()
        await self.configure(self.settings)

    async def configure(self, settings: BridgeSettings) -> None:
        """Take settings while forwarding.  Another datapath id or protocol ends the connections."""
        before, self.settings = self.settings, settings
        self.switch.set_datapath_id(settings.datapath_id)
        self._tell_settings(settings)
        self.controllers.context.protocols = settings.protocols
        self.fail_mode.configure(settings, time.monotonic())
        anew = (before.datapath_id, before.protocols) != (settings.datapath_id, settings.protocols)
        await self.controllers.configure(settings.controllers, anew=anew)

    def _tell_settings(self, settings: BridgeSettings) -> None:
        self.switch.describe(settings.description, settings.serial)
        self.switch.set_busy_poll(settings.busy_poll_us)
        self._set_threads(settings.threads)
        self._tell_telemetry()
        self.switch.configure_tables(
            {
                table.number: {
                    "name": table.name,
                    "flow_limit": table.flow_limit,
                    "evicts": table.evicts,
                    "groups": list(table.groups),
                }
                for table in settings.tables
            }
        )

    def _set_threads(self, count: int) -> None:
        try:
            self.switch.set_threads(count)
        except NativeError as error:  # a thread without a share of a device is still one that forwards
            _logger.warning("device not shared by threads", bridge=self.name, error=str(error))

    def _tell_telemetry(self) -> None:
        """Tell the native switch of collectors, where that differs from what it was told; the address by which
        sFlow's know it may come and go."""
        telemetry, problems = self.settings.telemetry, []
        agent = agent_address(telemetry.sflow) if telemetry.sflow is not None else None
        if telemetry.sflow is not None and agent is None:
            where = telemetry.sflow.agent or f"a route to {telemetry.sflow.targets[0]}"
            problems.append(f"sflow: no address of the agent can be found by {where}, so nothing is sent")
        wanted = native_telemetry(telemetry, agent)
        try:
            if wanted != self._told_telemetry:
                self.switch.configure_telemetry(wanted, secrets.randbits(64))
                self._told_telemetry = wanted
        except NativeError as error:
            problems.append(f"collectors: {error}")
        if problems != self.problems:
            self.problems = problems
            self._on_change()

    def configure_forwarding(self, forwarding: Forwarding | None = None) -> None:
        """Tell the native switch of VLANs, bonds and mirrors, where that differs from what it was told."""
        if forwarding is not None:
            self.forwarding = forwarding
            several = {one.name: one for one in forwarding.bundles if len(one.members) > 1}
            self.bonds = {
                name: self.bonds[name]
                if name in self.bonds and self.bonds[name].config == one
                else new_bond(one)
                for name, one in several.items()
            }
        wanted = native(self.forwarding, self.number, {name: bond.live for name, bond in self.bonds.items()})
        if wanted != self._told:
            self.switch.configure_bridge(wanted)
            self._told = wanted

    def number(self, port: str) -> int | None:
        """The native number of a port that works."""
        state = self.ports.get(port)
        return native_number(state.number) if state is not None and state.error is None else None

    def port_name(self, number: int) -> str:
        """The name of a port by its native number, or the number itself."""
        for name, port in self.ports.items():
            if native_number(port.number) == number:
                return name
        return str(number)

    def forget_link(self, name: str) -> None:
        """A port goes, or its device is to be attached again: what was told of it no longer holds."""
        self.links.pop(name, None)
        self._states.pop(name, None)

    def fail(self, number: int, error: str) -> None:
        """A port stopped working."""
        for name, port in self.ports.items():
            if native_number(port.number) == number:
                self.ports[name] = PortState(port.device, port.number, error, port.settings)

    def flush(self) -> None:
        """Send what sessions have queued."""
        self.controllers.flush()

    def session_opened(self, session: int) -> None:
        """A connection has agreed upon a version."""
        self.controllers.context.opened(session)

    def session_ended(self, session: int, reason: str) -> None:
        """A connection that the native switch serves is over."""
        self._service.ended(session)
        self.controllers.ended(session, reason)

    def _serve(self, descriptor: int) -> int:
        versions = wire_versions(self.settings.protocols)
        return self.switch.serve(descriptor, f"{self.name}.mgmt", versions=versions)

    def follow_controllers(self) -> None:
        """See whether a controller is there, for the fail mode, and which connections are over."""
        sessions = {one["session"]: one["version"] is not None for one in self.switch.sessions()}
        self._service.follow(set(sessions))
        self.controllers.follow(sessions)
        self.fail_mode.follow(self.controllers.is_any_connected, time.monotonic())

    def follow_links(self, links: Mapping[str, KernelLink]) -> None:
        """Tell the native switch which devices are up and have a link."""
        for name, port in self.ports.items():
            number, link = self.number(name), links.get(name)
            if number is None or port.device.kind in ("tunnel", "patch"):
                continue
            state = (True, True) if link is None else link.states
            if self._states.get(name) != (number, *state):
                self._states[name] = (number, *state)
                self.switch.set_port_state(number, *state)
        up = {name: all(state[1:]) for name, state in self._states.items() if self.number(name) is not None}
        for bond in self.bonds.values():
            bond.follow(up, time.monotonic())
        self.configure_forwarding()
        self._tell_telemetry()

    async def close(self) -> None:
        """Stop forwarding and close the sockets."""
        with contextlib.suppress(ValueError, OSError):
            asyncio.get_running_loop().remove_reader(self.switch.event_fd)
        await self.end_sessions()
        self.switch.close()

    async def end_sessions(self) -> None:
        """Close the sockets; forwarding goes on."""
        await self.controllers.close()
        self._service.close()
        self._snoop.close()
