"""Gives ports their QoS: disciplines of the kernel to devices, token buckets of the native switch to the rest.

What others have put on a device is left alone until its port has a QoS, and `linux-noop` leaves it then too.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import AsyncIterator, Iterable, Mapping

import structlog
from msgspec import Struct
from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tulle._native import NativeError
from tulle.vswitch.bridge import Bridge, Link
from tulle.vswitch.configuration import BridgeConfig, native_number
from tulle.vswitch.disciplines import (
    ALL,
    HANDLE,
    AddDiscipline,
    Discipline,
    RemoveClass,
    RemoveDiscipline,
    SetClass,
    Step,
    discipline,
    plan,
)
from tulle.vswitch.queueing import HTB, POLICER, QosConfig, is_shaped_by_kernel, native_queues

ROOT = 0xFFFF_FFFF
DEFAULT_CLASS = 1
HTB_KIND = HTB.removeprefix("linux-")
LIMITED = "this port is no device that the kernel could shape: what is too fast is lost, min-rate is not kept"
Counters = dict[int, tuple[int, int, int]]
_logger = structlog.get_logger(__name__)


class Shaped(Struct):
    """What a port has been given; `link` tells whether it still is the port that got it."""

    bridge: Bridge
    name: str
    number: int
    link: Link
    qos: QosConfig
    current: Discipline | None = None
    error: str = ""


class Shaping:
    """All ports with QoS, by name: names of interfaces are unique in a switch process."""

    def __init__(self, netlink: AsyncIPRoute) -> None:
        self._netlink = netlink
        self._bridges: Mapping[str, Bridge] = {}
        self.ports: dict[str, Shaped] = {}

    async def follow(self, bridges: Mapping[str, Bridge], configs: Iterable[BridgeConfig]) -> None:
        """Give every port what its row asks for, and take it from those whose rows no longer do."""
        self._bridges = bridges
        wanted = {name: (bridges[config.name], qos) for config in configs for name, qos in config.qos.items()}
        for name, port in list(self.ports.items()):
            if name not in wanted or not _is_there(port) or port.bridge is not wanted[name][0]:
                await self._remove(name)
        for name, (bridge, qos) in wanted.items():
            if (number := bridge.number(name)) is None:
                continue
            try:
                await self._give(bridge, name, number, qos)
            except NativeError as error:  # the port has just gone
                bridge.unshaped[name] = str(error)

    async def count(self) -> bool:
        """Tell the native switches what the kernel has counted; False where a discipline has gone."""
        complete = True
        for port in list(self.ports.values()):
            if port.current is None or port.link.ifindex is None:
                continue
            if not await self._has_ours(port.link.ifindex, port.current.kind):
                port.current, complete = None, False
                continue
            with contextlib.suppress(NativeError):
                counted = await self._counters(port.link.ifindex)
                port.bridge.switch.set_queue_counters(port.number, counted)
        return complete

    def knows(self, name: str) -> bool:
        """Whether there is such a port."""
        return any(name in bridge.ports for bridge in self._bridges.values())

    async def close(self) -> None:
        """Leave devices as the kernel has them by default."""
        for name in list(self.ports):
            await self._remove(name)

    async def _give(self, bridge: Bridge, name: str, number: int, qos: QosConfig) -> None:
        link, kind = bridge.links.get(name, Link()), bridge.ports[name].device.kind
        port = self.ports.get(name)
        if port is None:
            port = self.ports[name] = Shaped(bridge, name, number, link, QosConfig(""))
        if port.qos != qos:
            # A discipline, of ours or of others, is to see every frame.
            bridge.switch.allow_direct(number, qos.kind == POLICER)
            bridge.switch.set_queues(number, native_queues(qos, kind, link.speed_bps))
            port.qos = qos
        desired = None
        if is_shaped_by_kernel(qos, kind) and link.ifindex is not None:
            desired = discipline(qos, link.speed_bps, link.mtu or 1500)
        await self._shape(port, desired)
        limited = qos.kind == HTB and not is_shaped_by_kernel(qos, kind)
        bridge.unshaped[name] = LIMITED if limited else port.error

    async def _shape(self, port: Shaped, desired: Discipline | None) -> None:
        port.error = ""
        try:
            is_known = port.current is not None and port.current != Discipline(HTB_KIND)
            if desired is not None and not is_known and port.link.ifindex is not None:
                port.current = await self._adopted(port.link.ifindex, desired)
            for step in plan(port.current, desired):
                _logger.info("step", device=port.name, step=repr(step))
                await self._do(port.link.ifindex or 0, step)
            port.current = desired
        except (NetlinkError, NativeError, OSError, struct.error) as error:
            # pyroute2 lets a number that has no room in the kernel's word fail as it is packed.
            port.error = f"the kernel refuses {port.qos.kind}: {error}"
            _logger.warning("port not shaped", device=port.name, error=port.error)
            port.current = await self._left(port, desired)

    async def _left(self, port: Shaped, desired: Discipline | None) -> Discipline | None:
        """What steps that failed have left on a device, without classes: which of them are there is not known."""
        for one in (port.current, desired):
            with contextlib.suppress(NetlinkError, OSError):
                if one is not None and await self._has_ours(port.link.ifindex or 0, one.kind):
                    return Discipline(one.kind, one.options)
        return None

    async def _remove(self, name: str) -> None:
        port = self.ports.pop(name)
        port.bridge.unshaped.pop(name, None)
        if port.current is not None and port.link.ifindex is not None:
            with contextlib.suppress(NetlinkError, OSError):
                if await self._has_ours(port.link.ifindex, port.current.kind):
                    await self._do(port.link.ifindex, RemoveDiscipline())
        with contextlib.suppress(NativeError):
            if _is_there(port):
                port.bridge.switch.set_queues(port.number, None)
                port.bridge.switch.allow_direct(port.number, True)

    async def _do(self, index: int, step: Step) -> None:
        match step:
            case AddDiscipline(kind, options):
                await self._clear(index)
                known = {"default": DEFAULT_CLASS} if kind == HTB_KIND else {}
                await self._netlink.tc("add", kind, index=index, handle=HANDLE, **known, **dict(options))
            case RemoveDiscipline():
                await self._netlink.tc("del", index=index, handle=HANDLE, parent=ROOT)
            case RemoveClass(handle):
                await self._netlink.tc("del-class", index=index, handle=handle)
            case SetClass(wanted):
                await self._netlink.tc(
                    "replace-class",
                    "htb",
                    index=index,
                    handle=wanted.handle,
                    parent=wanted.parent,
                    rate=wanted.least,
                    ceil=wanted.most,
                    burst=wanted.least_burst,
                    cburst=wanted.burst,
                    prio=wanted.priority,
                    quantum=wanted.quantum,
                )

    async def _clear(self, index: int) -> None:
        """Take away what somebody has put on a device; the kernel's own default (handle 0) makes way by itself."""
        for handle, _ in [found async for found in self._roots(index)]:
            if handle:
                await self._netlink.tc("del", index=index, handle=handle, parent=ROOT)

    async def _adopted(self, index: int, desired: Discipline) -> Discipline | None:
        """What a process before this one has left; its classes are set again, so that packets in them stay."""
        if desired.kind != HTB_KIND or not await self._has_ours(index, desired.kind):
            return None
        classes = [(one["handle"], one["parent"]) async for one in await self._netlink.get_classes(index)]
        if not all(handle == ALL or parent == ALL for handle, parent in classes):
            return None
        wanted = {one.handle for one in desired.classes}
        for handle in [handle for handle, _ in classes if handle not in wanted]:
            await self._do(index, RemoveClass(handle))
        return Discipline(desired.kind)

    async def _has_ours(self, index: int, kind: str) -> bool:
        return (HANDLE, kind) in [found async for found in self._roots(index)]

    async def _roots(self, index: int) -> AsyncIterator[tuple[int, str]]:
        async for one in await self._netlink.get_qdiscs(index):
            if one["index"] == index and one["parent"] == ROOT:
                yield one["handle"], one.get("kind")

    async def _counters(self, index: int) -> Counters:
        found: Counters = {}
        async for one in await self._netlink.get_classes(index):
            basic, waiting = (
                one.get_nested("TCA_STATS2", f"TCA_STATS_{part}") for part in ("BASIC", "QUEUE")
            )
            if basic is not None and waiting is not None:
                queue = (one["handle"] & 0xFFFF) - 1
                found[queue] = basic["packets"], basic["bytes"], waiting["drops"]
        return found


def _is_there(port: Shaped) -> bool:
    """Whether the port is the one that was given its queues: attached again, it has none."""
    bridge = port.bridge
    state = bridge.ports.get(port.name)
    is_same = state is not None and native_number(state.number) == port.number and state.error is None
    return is_same and bridge.links.get(port.name, port.link) is port.link
