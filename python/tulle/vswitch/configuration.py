"""What the switch should be and the steps that lead there.  Pure: `apply` does the steps.

A port that failed stays in the state with its error, so that planning again gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

LOCAL_PORT = 65534
"""The number of a bridge's own interface (OFPP_LOCAL of OpenFlow 1.0, as ovs-vsctl shows it)."""
LAST_PORT = 0xFEFF

Kind = Literal["tap", "device", "tunnel", "local"]


class Device(Struct, frozen=True):
    """What a port is attached to.

    `mtu` in bytes is for devices that are created; empty `local` means the route's source address.
    """

    name: str
    kind: Kind
    mtu: int = 1500
    encapsulation: str = ""
    remote: str = ""
    local: str = ""


class PortConfig(Struct, frozen=True):
    """A port as it should be; `request` is the number asked for, `previous` the one it had before."""

    device: Device
    request: int | None = None
    previous: int | None = None


class BridgeConfig(Struct, frozen=True):
    """A bridge as it should be."""

    name: str
    datapath_id: int
    ports: tuple[PortConfig, ...] = ()


class PortState(Struct, frozen=True):
    """A port as it is; `error` is why it does not work."""

    device: Device
    number: int
    error: str | None = None


class BridgeState(Struct, frozen=True):
    """A bridge as it is; ports by name."""

    name: str
    datapath_id: int
    ports: Mapping[str, PortState]


class AddBridge(Struct, frozen=True, tag=True):
    """Make a bridge without ports."""

    name: str
    datapath_id: int


class RemoveBridge(Struct, frozen=True, tag=True):
    """Take a bridge away with all its ports."""

    name: str


class AddPort(Struct, frozen=True, tag=True):
    """Attach a device under this number."""

    bridge: str
    number: int
    device: Device


class RemovePort(Struct, frozen=True, tag=True):
    """Detach a device."""

    bridge: str
    number: int
    name: str


Step = AddBridge | RemoveBridge | AddPort | RemovePort


def plan(current: Mapping[str, BridgeState], desired: Iterable[BridgeConfig]) -> list[Step]:
    """Removals come first, so that names, devices and numbers are free for what is added."""
    wanted = {bridge.name: bridge for bridge in desired}
    removals: list[Step] = []
    additions: list[Step] = []
    for name, state in current.items():
        if name not in wanted or wanted[name].datapath_id != state.datapath_id:
            removals.append(RemoveBridge(name))
    for name, bridge in wanted.items():
        old = current.get(name)
        if old is None or old.datapath_id != bridge.datapath_id:
            additions.append(AddBridge(name, bridge.datapath_id))
            old = BridgeState(name, bridge.datapath_id, {})
        leaving = _leaving(old, bridge)
        removals += [RemovePort(name, old.ports[port].number, port) for port in leaving]
        kept = {port: state.number for port, state in old.ports.items() if port not in leaving}
        additions += _arriving(kept, bridge)
    return removals + additions


def _leaving(state: BridgeState, bridge: BridgeConfig) -> list[str]:
    """Ports that change or go; one whose requested number is held by a port that stays does neither."""
    wanted = {port.device.name: port for port in bridge.ports}
    same = {
        name: (port.number, wanted[name].request)
        for name, port in state.ports.items()
        if name in wanted and wanted[name].device == port.device
    }
    settled = {number for number, request in same.values() if request in (None, number)}
    while more := {number for number, request in same.values() if request in settled} - settled:
        settled |= more
    return [name for name in state.ports if name not in same or same[name][0] not in settled]


def _arriving(kept: Mapping[str, int], bridge: BridgeConfig) -> Iterator[Step]:
    new = [port for port in bridge.ports if port.device.name not in kept]
    numbers = assign_numbers(set(kept.values()), new)
    for port in new:
        yield AddPort(bridge.name, numbers[port.device.name], port.device)


def assign_numbers(taken: set[int], ports: Iterable[PortConfig]) -> dict[str, int]:
    """A free number for each port: the requested one, else the previous one, else the lowest."""
    ports = list(ports)
    numbers = {port.device.name: LOCAL_PORT for port in ports if port.device.kind == "local"}
    used = set(taken) | set(numbers.values())
    for wish in (_request, _previous):
        for port in ports:
            number = wish(port)
            if port.device.name not in numbers and number is not None and number not in used:
                numbers[port.device.name] = number
                used.add(number)
    lowest = 1
    for port in ports:
        if port.device.name in numbers:
            continue
        while lowest in used:
            lowest += 1
        numbers[port.device.name] = lowest
        used.add(lowest)
    return numbers


def _request(port: PortConfig) -> int | None:
    return port.request


def _previous(port: PortConfig) -> int | None:
    number = port.previous
    return number if number is not None and 0 < number <= LAST_PORT else None
