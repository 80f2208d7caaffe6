"""Feature: service chains.  What goes into a chain, in which order it passes appliances, and where it goes on.

A chain is at the border of ports, after the ACLs of packets that leave one, and after those of packets that enter
one.  It sees packets of its match in its direction, and in the other direction those that answer them, in reverse
order.  Frames to groups pass by: they would come back once for each place.  How packets get to an appliance is for
the control plane; what comes out of one has that wire for a datapath.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import product
from typing import Final

from msgspec.structs import replace

from tulle.values import (
    Action,
    Chain,
    FieldMatch,
    Flow,
    Match,
    Resubmit,
    SetField,
    fields,
    flow,
    inlet_wire,
    outlet_wire,
    pipeline,
    switch_wire,
)

from .match import expand_match
from .references import References
from .switching import GROUP_BIT
from .translation import is_translated
from .view import View

FROM_TUNNEL: Final = 1
HOOK_PRIORITY: Final = 200
SKIP_PRIORITY: Final = 65534
"""Above all ACLs, below what refuses to send a packet back to where it came from."""
ANSWERS: Final = {("icmp", 8): 0, ("icmp", 0): 8, ("icmp6", 128): 129, ("icmp6", 129): 128}
MATCH_FLOWS_MAX: Final = 1000
Matched = tuple[FieldMatch, ...]


def chain_flows(view: View) -> Iterator[Flow]:
    """The flows of all chains of a network; none where it has no chains."""
    chains, references = view.network.chains, References(view.network)
    for chain in chains:
        yield from _exits(view, chain)
    for switch in sorted({place_switch(view, chain) for chain in chains}):
        yield from _arrivals(view, switch)
    active = [chain for chain in chains if not chain.idle]
    for chain in active:
        yield from _entries(view, references, chain)
    for switch, ports in sorted(_places(view, active).items()):
        yield from _hooks(view, switch, sorted(ports))


def place_switch(view: View, chain: Chain) -> str:
    """The switch that a chain is at, or that its port is plugged into."""
    return (
        chain.switch if chain.port is None and chain.switch is not None else view.switch_of(chain.port or "")
    )


def mirrored(match: Match) -> Match:
    """What answers such packets; an echo is answered by its reply."""
    kind = match.icmp_type
    if kind is not None:
        kind = ANSWERS.get((match.protocol, kind), kind)
    turned = replace(match, src=match.dst, dst=match.src, sport=match.dport, dport=match.sport)
    return replace(turned, icmp_type=kind)


def expanded(references: References, match: Match) -> list[Matched]:
    """A match with its sets and groups written out."""
    ends = (_addresses(references, match.src), _addresses(references, match.dst))
    return [
        one
        for src, dst in product(*ends)
        if src is None or dst is None or ip_network(src).version == ip_network(dst).version
        for one in expand_match(replace(match, src=src, dst=dst))
    ]


def _addresses(references: References, text: str | None) -> tuple[str | None, ...]:
    return (None,) if text is None else references.addresses(text)


def _places(view: View, chains: list[Chain]) -> dict[str, set[str]]:
    """The ports at which packets are looked at, by switch."""
    found: dict[str, set[str]] = {}
    for chain in chains:
        ports = {port.name for port in view.network.ports if port.switch == chain.switch}
        found.setdefault(place_switch(view, chain), set()).update(ports or {chain.port or ""})
    return {switch: ports - {""} for switch, ports in found.items()}


def _hooks(view: View, switch: str, ports: list[str]) -> Iterator[Flow]:
    """Packets of these ports are looked at once, when they leave one and when they enter one."""
    datapath, owner = view.datapath(switch), view.owner("chains of switch", switch)
    here = fields(metadata=datapath)
    for port in ports:
        key = view.key(switch, port)
        leaves = fields(here, reg5=0, reg14=key)
        yield flow(
            pipeline.SWITCH_LOOKUP, HOOK_PRIORITY, leaves, (Resubmit(pipeline.CHAIN_FROM_PORT),), owner
        )
        enters = fields((*here, FieldMatch("reg5", 0, pipeline.PASSED_TO_PORT)), reg15=key)
        yield flow(pipeline.DELIVER, HOOK_PRIORITY, enters, (Resubmit(pipeline.CHAIN_TO_PORT),), owner)
    passed_from = (SetField("reg5", pipeline.PASSED_FROM_PORT), Resubmit(pipeline.SWITCH_LOOKUP))
    # Of a flood, the next copy is looked at anew.
    passed_to = (SetField("reg5", pipeline.PASSED_TO_PORT), Resubmit(pipeline.DELIVER), SetField("reg5", 0))
    group = fields((*here, FieldMatch("dl_dst", GROUP_BIT, GROUP_BIT)))
    for table, passed in ((pipeline.CHAIN_FROM_PORT, passed_from), (pipeline.CHAIN_TO_PORT, passed_to)):
        yield flow(table, 200, group, passed, owner)
        yield flow(table, 0, here, passed, owner)


def _entries(view: View, references: References, chain: Chain) -> Iterator[Flow]:
    """Which packets go into a chain; what is said of a port goes before what is said of its switch."""
    switch, owner = place_switch(view, chain), view.owner("chain", chain.name)
    at = fields(metadata=view.datapath(switch))
    key = None if chain.port is None else view.key(switch, chain.port)
    for direction, table, register in (
        ("from-port", pipeline.CHAIN_FROM_PORT, "reg14"),
        ("to-port", pipeline.CHAIN_TO_PORT, "reg15"),
    ):
        forward = direction == chain.direction
        first = inlet_wire(chain.appliances[0]) if forward else outlet_wire(chain.appliances[-1])
        enter = (SetField("metadata", view.datapath(first)), Resubmit(pipeline.CHAIN_HOP))
        place = at if key is None else fields(at, **{register: key})
        priority = 100 + 10 * forward + 20 * (key is not None)
        for matched in expanded(references, chain.match if forward else mirrored(chain.match)):
            yield flow(table, priority, fields((*place, *matched)), enter, owner)


def _exits(view: View, chain: Chain) -> Iterator[Flow]:
    """What comes out of one appliance goes into the next; after the last, the packet goes on."""
    owner = view.owner("chain", chain.name)
    switch = place_switch(view, chain)
    key = 0 if chain.port is None else view.key(switch, chain.port)
    ends = {
        "from-port": _onward(view, switch, key, pipeline.PASSED_FROM_PORT),
        "to-port": _onward(view, switch, 0, pipeline.PASSED_TO_PORT),
    }
    there, back = chain.direction, "from-port" if chain.direction == "to-port" else "to-port"
    for at, name in enumerate(chain.appliances):
        following = chain.appliances[at + 1 : at + 2]
        before = chain.appliances[at - 1 : at] if at else ()
        onward = _enter(view, inlet_wire(following[0])) if following else ends[there]
        backward = _enter(view, outlet_wire(before[0])) if before else ends[back]
        for wire, actions in ((outlet_wire(name), onward), (inlet_wire(name), backward)):
            yield flow(pipeline.CHAIN_EXIT, 100, fields(metadata=view.datapath(wire)), actions, owner)


def _enter(view: View, wire: str) -> tuple[Action, ...]:
    return (SetField("metadata", view.datapath(wire)), Resubmit(pipeline.CHAIN_HOP))


def _onward(view: View, switch: str, ingress: int, passed: int) -> tuple[Action, ...]:
    """Into the switch again, as a packet of this node that has passed its chain."""
    return (
        SetField("metadata", view.datapath(switch)),
        SetField("reg5", passed),
        SetField("reg10", 0),
        SetField("reg14", ingress),
        Resubmit(pipeline.SWITCH_LOOKUP),
    )


def _arrivals(view: View, switch: str) -> Iterator[Flow]:
    """What comes from another node and has passed its chain there, and the ACLs before it."""
    datapath, owner = view.datapath(switch), view.owner("chains of switch", switch)
    arrived = (
        SetField("metadata", datapath),
        SetField("reg5", pipeline.PASSED_TO_PORT),
        SetField("reg10", FROM_TUNNEL),
        SetField("reg14", 0),
        Resubmit(pipeline.SWITCH_LOOKUP),
    )
    for table in (pipeline.RESPONDERS, pipeline.TUNNEL_DELIVERY):
        wire = fields(metadata=view.datapath(switch_wire(switch)))
        yield flow(table, HOOK_PRIORITY, wire, arrived, owner)
    has_passed = FieldMatch("reg5", pipeline.PASSED_TO_PORT, pipeline.PASSED_TO_PORT)
    again = fields((has_passed,), metadata=datapath)
    yield flow(pipeline.TO_PORT_ACL, SKIP_PRIORITY, again, (Resubmit(pipeline.DELIVER),), owner)
    if is_translated(view.network):
        yield flow(pipeline.RETURN, SKIP_PRIORITY, again, (Resubmit(pipeline.DELIVER),), owner)
