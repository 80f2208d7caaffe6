"""Feature: load balancers.

A connection to a virtual IP gets one of the places that the backends have in order; what is hashed decides which.
Where the backend in that place is down, one of the others is chosen by another hash, so that clients of those that
are up keep theirs.  Established connections stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from tulle.values import (
    Choose,
    Flow,
    Learn,
    LoadBalancer,
    LogicalSwitch,
    Resubmit,
    SetField,
    Slice,
    Untrack,
    fields,
    flow,
)
from tulle.values.pipeline import (
    AFFINITY,
    BACKEND,
    OTHER_BACKEND,
    PROTO_TCP,
    PROTO_UDP,
    RESPONDERS,
    ROUTER_INPUT,
    TRANSLATED,
    TRANSLATION,
)

from .targets import Target, own_vips, targets, vip_mac
from .topology import own_addresses
from .translating import ETH_TYPES, NEW, Matched, asks, asks_on_return, begins, by, hairpins, to
from .view import Station, View

PLACE: Final = Slice("reg7", 0, 16)
PROTOCOLS: Final = {"tcp": PROTO_TCP, "udp": PROTO_UDP}
OTHER_BASIS: Final = 1
LEARNED: Final = 0x8000
"""What tells the number of a backend from a place."""
LEARNED_MAX: Final = 10_000
"""Clients of one load balancer that a node remembers; more are served, and not remembered."""


class _Service(Struct, frozen=True):
    """One virtual IP of a load balancer, and who serves it."""

    balancer: LoadBalancer
    vip: str
    targets: tuple[Target, ...]
    match: Matched
    owner: str


def balancer_flows(view: View) -> Iterator[Flow]:
    """All load balancers of the network."""
    for balancer in view.network.load_balancers:
        for vip in balancer.vips:
            service = _service(view, balancer, vip)
            yield from _asking(view, service)
            yield from _choosing(view, service)
            yield from _returning(view, service)
    for switch in view.network.switches:
        if any(one.switch == switch.name for one in view.network.load_balancers):
            yield from _next_hops(view, switch)


def vip_stations(view: View, switch: LogicalSwitch) -> Iterator[Station]:
    """Virtual IPs on a subnet of the switch that balances for them: they have a MAC address of their own."""
    for balancer, vips in own_vips(view.network, switch.name):
        yield Station(0, vip_mac(view.network, balancer), vips, view.owner("balancer", balancer.name))


def _service(view: View, balancer: LoadBalancer, vip: str) -> _Service:
    at = balancer.router if balancer.router is not None else balancer.switch
    assert at is not None
    match = fields(
        to(vip),
        metadata=view.datapath(at),
        nw_proto=PROTOCOLS[balancer.protocol],
        **{f"{balancer.protocol}_dst": balancer.dport},
    )
    found = tuple(targets(view.network, balancer, vip))
    return _Service(balancer, vip, found, match, view.owner("balancer", balancer.name))


def _asking(view: View, service: _Service) -> Iterator[Flow]:
    balancer, vip = service.balancer, service.vip
    if balancer.router is None:
        assert balancer.switch is not None
        match = fields(to(vip), metadata=view.datapath(balancer.switch))
        yield asks(RESPONDERS, 130, match, view.owner("translation", balancer.switch))
        return
    match = fields(to(vip), metadata=view.datapath(balancer.router))
    yield asks(ROUTER_INPUT, 115, match, view.owner("translation", balancer.router))
    router = next(one for one in view.network.routers if one.name == balancer.router)
    if vip not in own_addresses(router):
        yield flow(ROUTER_INPUT, 105, match, (), f"{service.owner} (not a service)")


def _choosing(view: View, service: _Service) -> Iterator[Flow]:
    owner, chosen = service.owner, service.balancer.affinity
    match = fields((*service.match, NEW))
    up = [one for one in service.targets if (service.balancer.name, one.address) not in view.down]
    if not up:
        yield flow(TRANSLATION, 100, match, (), f"{owner} (no backend is up)")
        return
    if service.balancer.affinity_s:
        yield from _sticking(service, match, up)
        return
    # A router on the way may have left its choice in the bits above.
    first = SetField(PLACE.field, 0), Choose(PLACE, len(service.targets), chosen), Resubmit(BACKEND)
    yield flow(TRANSLATION, 100, match, first, owner)
    for place, target in enumerate(service.targets):
        here = fields(service.match, reg7=place)
        if target in up:
            yield flow(
                BACKEND,
                100,
                here,
                begins(service.vip, target.address, target.dport),
                f"{owner} to {target.name}",
            )
        else:
            again = Choose(PLACE, len(up), chosen, OTHER_BASIS), Resubmit(OTHER_BACKEND)
            yield flow(BACKEND, 100, here, again, f"{owner} past {target.name}")
    for place, target in enumerate(up if len(up) < len(service.targets) else ()):
        here = fields(service.match, reg7=place)
        yield flow(
            OTHER_BACKEND,
            100,
            here,
            begins(service.vip, target.address, target.dport),
            f"{owner} to {target.name}",
        )


def _sticking(service: _Service, match: Matched, up: list[Target]) -> Iterator[Flow]:
    """A client that is known goes to its backend, while that is up; another one is given one, and is known then."""
    owner, numbers = service.owner, _numbers(service.targets)
    known = SetField(PLACE.field, 0), Resubmit(AFFINITY), Resubmit(BACKEND)
    yield flow(TRANSLATION, 100, match, known, owner)
    chosen = Choose(PLACE, len(up), service.balancer.affinity), Resubmit(OTHER_BACKEND)
    yield flow(BACKEND, 90, service.match, chosen, owner)
    for place, target in enumerate(up):
        onward, name = begins(service.vip, target.address, target.dport), f"{owner} to {target.name}"
        yield flow(BACKEND, 100, fields(service.match, reg7=numbers[target]), onward, name)
        learn = _learned(service, numbers[target])
        yield flow(OTHER_BACKEND, 100, fields(service.match, reg7=place), (learn, *onward), name)


def _learned(service: _Service, number: int) -> Learn:
    """The version above the datapath is left out, so a client is known after a rollback too."""
    six = ":" in service.vip
    ends = ("ipv6_src[]", "ipv6_dst[]") if six else ("nw_src[]", "nw_dst[]")
    same = (*ends, f"{service.balancer.protocol}_dst[]", "metadata[0..23]")
    match = fields(dl_type=ETH_TYPES[6 if six else 4], nw_proto=PROTOCOLS[service.balancer.protocol])
    share = f"affinity of {service.owner}"
    return Learn(AFFINITY, match, same, PLACE, number, service.balancer.affinity_s, LEARNED_MAX, share)


def _numbers(found: Iterable[Target]) -> dict[Target, int]:
    """A number for each backend that is no place, and stays the same whatever others come and go."""
    numbers: dict[Target, int] = {}
    for target in found:
        name = f"{target.address} {target.dport}".encode()
        number = int.from_bytes(blake2b(name, digest_size=2).digest()) | LEARNED
        while number in numbers.values():
            number = LEARNED | (number + 1) & 0x7FFF
        numbers[target] = number
    return numbers


def _returning(view: View, service: _Service) -> Iterator[Flow]:
    owner = f"{service.owner} (hairpin)"
    homes = {address: port.switch for port in view.network.ports for address in port.addresses}
    for target in service.targets:
        yield asks_on_return(target.address)
        if target.address in homes:
            yield hairpins(view, homes[target.address], target.address, service.vip, owner)


def _next_hops(view: View, switch: LogicalSwitch) -> Iterator[Flow]:
    """What was sent to the MAC address of a virtual IP goes on to that of the backend, or of a router to it."""
    datapath, back = view.datapath(switch.name), (Untrack(), SetField("reg8", 0))
    yield flow(TRANSLATED, 0, fields(metadata=datapath), (*back, Resubmit(RESPONDERS)), "translation")
    for balancer in view.network.load_balancers:
        if balancer.switch != switch.name:
            continue
        mac, owner = vip_mac(view.network, balancer), view.owner("translation", switch.name)
        for vip in balancer.vips:
            for target in targets(view.network, balancer, vip):
                hop = _hop(view, switch, target.address)
                if hop is None:
                    continue
                match = fields(to(target.address), metadata=datapath, dl_dst=mac)
                onward = (SetField("dl_dst", hop), Resubmit(RESPONDERS))
                yield flow(TRANSLATED, 10, match, (*back, *onward), owner)
                own = tuple(one for one in by(target.address) if one.field != "dl_type")
                # Its own connection comes back to it as from somebody else, whom the hairpin check lets pass.
                other = (SetField("dl_src", mac), SetField("reg14", 0))
                yield flow(TRANSLATED, 20, fields((*match, *own)), (*back, *other, *onward), owner)


def _hop(view: View, switch: LogicalSwitch, address: str) -> str | None:
    stations = view.stations(switch.name)
    known = next((one.mac for one in stations if address in one.addresses), None)
    router = (
        one.mac
        for one in stations
        if one.router is not None and any((":" in own) == (":" in address) for own in one.addresses)
    )
    return known if known is not None else next(router, None)
