"""Numbers for datapaths and ports: what has one keeps it, what is new gets the lowest free one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count
from typing import Final

from tulle.errors import Conflict
from tulle.values import DATAPATH_MAX, PORT_KEY_MAX, Ids, Network

from .wires import wires

NOTHING: Final = Ids()


def allocate(
    networks: Iterable[Network], current: Ids, bound: Collection[str] = (), preferred: Ids = NOTHING
) -> Ids:
    """Numbers for all switches, routers and ports of `networks`.

    `bound` are datapath and port names that are gone from the networks but may still be in use
    on some node: their numbers are kept and not given to others.  What is new gets its `preferred`
    number where nobody has it: the one that it had when the snapshot was taken.  Conflict when numbers run out.
    """
    wanted = list(networks)
    datapaths = {name for network in wanted for name in datapath_names(network)}
    ports = {name for network in wanted for name in port_names(network)}
    kept_ports = _kept(current.ports, ports, bound)
    # A port's number means nothing without its datapath's.
    home = {name.rpartition("/")[0] for name in kept_ports}
    kept = _kept(current.datapaths, datapaths, {*bound, *home})
    return Ids(
        _filled(kept, datapaths, DATAPATH_MAX, preferred.datapaths),
        _filled_ports(kept_ports, ports, preferred.ports),
    )


def datapath_names(network: Network) -> Iterator[str]:
    """The full names of what has a datapath id."""
    yield from (f"{network.name}/{switch.name}" for switch in network.switches)
    yield from (f"{network.name}/{router.name}" for router in network.routers)
    yield from (f"{network.name}/{wire}" for wire in wires(network))


def port_names(network: Network) -> Iterator[str]:
    """The full names of what has a port key; a router port has one on each side."""
    for port in network.ports:
        yield f"{network.name}/{port.switch}/{port.name}"
    for router in network.routers:
        for router_port in router.ports:
            yield f"{network.name}/{router_port.switch}/{router_port.name}"
            yield f"{network.name}/{router.name}/{router_port.name}"


def _kept(current: Mapping[str, int], wanted: Collection[str], bound: Collection[str]) -> dict[str, int]:
    return {name: number for name, number in current.items() if name in wanted or name in bound}


def _filled_ports(
    kept: Mapping[str, int], wanted: Iterable[str], preferred: Mapping[str, int]
) -> dict[str, int]:
    by_datapath: dict[str, tuple[dict[str, int], set[str]]] = {}
    for name in {*kept, *wanted}:
        numbers, names = by_datapath.setdefault(name.rpartition("/")[0], ({}, set()))
        names.add(name)
        if name in kept:
            numbers[name] = kept[name]
    made: dict[str, int] = {}
    for datapath in sorted(by_datapath):
        made |= _filled(*by_datapath[datapath], PORT_KEY_MAX, preferred)
    return made


def _filled(
    kept: Mapping[str, int], wanted: Iterable[str], limit: int, preferred: Mapping[str, int]
) -> dict[str, int]:
    taken = set(kept.values())
    free = (number for number in count(1) if number not in taken)
    made = dict(kept)
    new = sorted(set(wanted) - kept.keys())
    for name in new:
        number = preferred.get(name, 0)
        if 1 <= number <= limit and number not in taken:
            made[name] = number
            taken.add(number)
    for name in (name for name in new if name not in made):
        made[name] = next(free)
        if made[name] > limit:
            raise Conflict(f"no number is left for {name}: all of 1 to {limit} are taken")
    return dict(sorted(made.items()))
