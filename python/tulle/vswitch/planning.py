"""The steps from what a switch is to what it should be.  Pure: `apply` does the steps.

A port that failed stays in the state with its error, so that planning again gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tulle.vswitch.configuration import (
    LAST_PORT,
    LOCAL_PORT,
    AddBridge,
    AddPort,
    BridgeConfig,
    BridgeState,
    PortConfig,
    RemoveBridge,
    RemovePort,
    SetBridge,
    SetPort,
    Step,
)


def plan(current: Mapping[str, BridgeState], desired: Iterable[BridgeConfig]) -> list[Step]:
    """Removals come first, so that names, devices and numbers are free for what is added."""
    wanted = {bridge.name: bridge for bridge in desired}
    removals: list[Step] = [RemoveBridge(name) for name in current if name not in wanted]
    additions: list[Step] = []
    for name, bridge in wanted.items():
        old = current.get(name)
        if old is None:
            additions.append(AddBridge(name, bridge.settings))
            old = BridgeState(name, bridge.settings, {})
        elif old.settings != bridge.settings:
            additions.append(SetBridge(name, bridge.settings))
        leaving = _leaving(old, bridge)
        removals += [RemovePort(name, old.ports[port].number, port) for port in leaving]
        kept = {port: state.number for port, state in old.ports.items() if port not in leaving}
        additions += _changing(old, kept, bridge)
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
    settled |= {number for number, _ in same.values() if number == LOCAL_PORT}
    while more := {number for number, request in same.values() if request in settled} - settled:
        settled |= more
    return [name for name in state.ports if name not in same or same[name][0] not in settled]


def _changing(state: BridgeState, kept: Mapping[str, int], bridge: BridgeConfig) -> Iterator[Step]:
    for port in bridge.ports:
        name = port.device.name
        if name in kept and state.ports[name].settings != port.settings:
            yield SetPort(bridge.name, name, port.settings)


def _arriving(kept: Mapping[str, int], bridge: BridgeConfig) -> Iterator[Step]:
    new = [port for port in bridge.ports if port.device.name not in kept]
    numbers = assign_numbers(set(kept.values()), new)
    for port in new:
        yield AddPort(bridge.name, numbers[port.device.name], port.device, port.settings)


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
