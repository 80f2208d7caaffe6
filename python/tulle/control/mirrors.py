"""Mirrors: copies of what ports send and are delivered, to a port of the network or to a collector.

What a port sends is copied before anything is decided about it, and what it is delivered as it gets it.
Each mirror has a flow of its own for its copies, which counts them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Final

from msgspec.structs import replace

from tulle.values import (
    FieldMatch,
    Flow,
    Ids,
    LocalPort,
    Meter,
    Mirror,
    Network,
    Output,
    OutputInPort,
    PopVlan,
    Resubmit,
    SetField,
    TunnelPort,
    fields,
    flow,
    mirror_wire,
    pipeline,
)

from .context import context, in_version
from .insertion import Way
from .numbers import number

ARRIVAL_PRIORITY: Final = 200


def collector_name(address: str) -> str:
    """What the tunnel to a collector has for its node; no node can have such a name."""
    return f"collector {address}"


def with_mirrors(
    flows: Iterable[Flow],
    node: str,
    network: Network,
    homes: Mapping[str, str],
    ways: Mapping[str, Way],
    ids: Ids,
    version: int = 0,
) -> tuple[Flow, ...]:
    """The flows of a node with those of the mirrors, and with copies where ports are mirrored."""
    if not network.mirrors:
        return tuple(flows)
    wires = {
        one.name: number(ids.datapaths, f"{network.name}/{mirror_wire(one.name)}") for one in network.mirrors
    }
    sent, delivered = (_mirrored(network, direction) for direction in ("from-port", "to-port"))
    marks = {name: in_version(wire, version) for name, wire in wires.items()}
    flows = tuple(flows)
    ports = {_key(one): one.owner for one in flows if one.table == pipeline.DELIVER}
    made = [_copying(one, ports.get(_key(one), ""), sent, delivered, marks) for one in flows]
    for mirror in network.mirrors:
        made += _copies(mirror, wires[mirror.name], version, node, network.name, homes, ways)
    return tuple(made)


def _mirrored(network: Network, direction: str) -> dict[str, list[str]]:
    """The mirrors of each port in a direction, by its full name."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for mirror in network.mirrors:
        if mirror.direction in (direction, "both"):
            for port in network.ports:
                # Copies are not copied again.
                if (port.switch == mirror.switch or port.name == mirror.port) and port.name != mirror.to:
                    found[f"{network.name}/{port.name}"].append(mirror.name)
    return found


def _copying(
    one: Flow,
    owner: str,
    sent: Mapping[str, list[str]],
    delivered: Mapping[str, list[str]],
    marks: Mapping[str, int],
) -> Flow:
    """The flow, with copies before what it does; `owner` is who is delivered what it is about."""
    names: list[str] = []
    if one.actions and one.table == pipeline.PHYSICAL_INGRESS:
        names = sent.get(_came_by(one), [])
    elif one.table in (pipeline.DELIVER, pipeline.TO_PORT_LIMIT):
        names = delivered.get(_delivered_to(one, owner), [])
    if not names:
        return one
    copies = [
        action for name in names for action in (SetField("reg4", marks[name]), Resubmit(pipeline.MIRROR_COPY))
    ]
    # Of what a limit drops there is no copy, and tags by which ports share a device are no part of what they send.
    first = len(tuple(takewhile(lambda action: isinstance(action, Meter | PopVlan), one.actions)))
    return replace(one, actions=(*one.actions[:first], *copies, *one.actions[first:]))


def _came_by(one: Flow) -> str:
    """The logical port that a flow asks for, or nothing."""
    port = next((match.value for match in one.match if match.field == "in_port"), None)
    return _port_at(one.owner, port) if isinstance(port, LocalPort) else ""


def _port_at(owner: str, device: LocalPort) -> str:
    """The logical port that flows of an owner are about: several may share a device."""
    return owner.removeprefix("port ") if owner.startswith("port ") else device.name


def _key(one: Flow) -> tuple[FieldMatch, ...]:
    """To whom the packets of a flow go."""
    return tuple(match for match in one.match if match.field in ("metadata", "reg15"))


def _delivered_to(one: Flow, owner: str) -> str:
    """The logical port here that a flow of the last tables is about, or nothing."""
    came = next((match.value for match in one.match if match.field == "in_port"), None)
    for action in one.actions:
        if isinstance(action, Output) and isinstance(action.port, LocalPort):
            return _port_at(owner, action.port)
        if isinstance(action, OutputInPort):
            return _port_at(owner, came) if isinstance(came, LocalPort) else ""
    return ""


def _copies(
    mirror: Mirror,
    wire: int,
    version: int,
    node: str,
    network: str,
    homes: Mapping[str, str],
    ways: Mapping[str, Way],
) -> Iterator[Flow]:
    """Where the copies of a mirror go."""
    metadata, table = in_version(wire, version), pipeline.MIRROR_COPY
    owner, match = f"mirror {network}/{mirror.name}", fields(reg4=metadata)
    if mirror.remote is not None:
        port = TunnelPort(collector_name(mirror.remote), mirror.encapsulation)
        yield flow(table, 100, match, (SetField("tun_id", mirror.key), Output(port)), owner)
        return
    home, target = homes.get(mirror.to or "", ""), Output(LocalPort(f"{network}/{mirror.to}"))
    if home == node:
        yield flow(table, 100, match, (target,), owner)
        for arrival in (pipeline.RESPONDERS, pipeline.TUNNEL_DELIVERY):
            yield flow(arrival, ARRIVAL_PRIORITY, fields(metadata=metadata), (target,), owner)
    elif home in ways:
        way = ways[home]
        mark = SetField("tun_id", context(way.encapsulation, wire, 0, way.version))
        yield flow(table, 100, match, (mark, Output(way.port)), owner)
        for port in way.ports:
            # What came from the node to which the copy goes (OpenFlow 1.3.5 section 5.4).
            yield flow(table, 110, fields(match, in_port=port), (mark, OutputInPort()), owner)
    else:
        yield flow(table, 100, match, (), f"unreachable port of {owner}")
