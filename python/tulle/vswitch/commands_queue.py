"""`qos/*`: the queues of ports, as the kernel has them or the native switch limits them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pyroute2.netlink.exceptions import NetlinkError

from tulle._native import NativeError
from tulle.errors import NotFound, Unavailable
from tulle.ovsdb.unixctl import ControlServer
from tulle.vswitch.queueing import HTB, POLICER, QosConfig, QueueConfig
from tulle.vswitch.rows_queue import TYPES
from tulle.vswitch.shaping import Shaped, Shaping


def register(server: ControlServer, shaping: Shaping, count: Callable[[], Awaitable[None]]) -> None:
    """Offer the commands; `count` has the kernel's counters read now."""

    async def show(words: list[str]) -> str:
        try:
            await count()
        except (NetlinkError, OSError) as error:
            raise Unavailable(f"the kernel's counters cannot be read: {error}") from error
        return show_qos(shaping, words[0])

    server.register("qos/show", "interface", show)
    server.register("qos/show-types", "interface", lambda words: show_types(shaping, words[0]))


def show_types(shaping: Shaping, name: str) -> str:
    """What the `type` of a QoS may be; of disciplines, the kernel may have fewer."""
    _expect(shaping, name)
    return "".join(f"QoS type: {kind}\n" for kind in TYPES)


def show_qos(shaping: Shaping, name: str) -> str:
    """Settings and counters of a port and its queues, as `ovs-appctl qos/show` prints them."""
    _expect(shaping, name)
    port = shaping.ports.get(name)
    if port is None:
        return f"QoS not configured on {name}\n"
    lines = [f"QoS: {name} {port.qos.kind}", *_settings(port.qos, port.link.speed_bps)]
    try:
        counted = port.bridge.switch.queue_counters(port.number)
    except NativeError:
        counted = {}
    for queue in port.qos.queues:
        lines += ["", "Default:" if queue.number == 0 else f"Queue {queue.number}:"]
        lines += [f"  {line}" for line in _queue_settings(port, queue)]
        if queue.number in counted:
            kinds = zip(("tx_packets", "tx_bytes", "tx_errors"), counted[queue.number], strict=True)
            lines += [f"  {kind}: {count}" for kind, count in kinds]
    return "\n".join(lines) + "\n"


def _expect(shaping: Shaping, name: str) -> None:
    if not shaping.knows(name):
        raise NotFound("no such interface")


def _settings(qos: QosConfig, link_bps: int | None) -> list[str]:
    if qos.kind == HTB:
        return [f"max-rate: {qos.rate_bps(link_bps)}"]
    if qos.kind == POLICER:
        return [f"cir: {(qos.max_bps or 0) // 8}", f"cbs: {(qos.burst_bits or 0) // 8}"]
    return [f"{name}: {value}" for name, value in qos.options]


def _queue_settings(port: Shaped, queue: QueueConfig) -> list[str]:
    """What holds: in the kernel's class, or else as the row says."""
    found = port.current.queue(queue.number) if port.current is not None else None
    pairs: dict[str, int | None] = {
        "burst": queue.burst_bits,
        "min-rate": queue.min_bps,
        "max-rate": queue.max_bps,
        "dscp": queue.dscp,
    }
    if found is not None:
        pairs |= {"burst": found.burst * 8, "min-rate": found.least * 8}
        pairs["max-rate"] = found.most * 8 if found.most > found.least else None
        pairs["priority"] = found.priority or None
    return [f"{name}: {value}" for name, value in pairs.items() if value is not None]
